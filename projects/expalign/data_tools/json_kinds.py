"""Telling the JSON files of label tools apart, by their keys."""

COCO, LABELME, VIA = 'COCO json', 'labelme json', 'VIA json'
COCO_KEYS = {'images', 'annotations', 'categories'}
SAMPLE = 5  # entries that are looked at


def json_kind(content: object) -> str | None:
    """``'COCO json'``, ``'labelme json'``, ``'VIA json'``, or None where it is none of these."""
    if not isinstance(content, dict):
        return None
    if content.keys() >= COCO_KEYS:
        return COCO
    if isinstance(content.get('shapes'), list) and (
            'imagePath' in content or 'imageData' in content):
        return LABELME
    if '_via_img_metadata' in content or {'project', 'file', 'view', 'metadata'} <= content.keys():
        return VIA
    entries = list(content.values())[:SAMPLE]
    if entries and all(isinstance(entry, dict) and 'filename' in entry and 'regions' in entry
                       for entry in entries):
        return VIA
    return None
