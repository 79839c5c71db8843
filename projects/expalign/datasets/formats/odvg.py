"""ODVG, mmdet's JSON-lines format for detection and grounding, with optional masks.

A line holds ``filename``, ``height``, ``width``, optionally ``img_id``, and one of

- ``detection``: ``{"instances": [{"bbox": [x1, y1, x2, y2], "label": 0, "category": "dog"}]}``,
  where labels are keys of a label map ``{"0": "dog", ...}`` in a file of its own;
- ``grounding``: ``{"caption": ..., "regions": [{"bbox": ..., "phrase": ...}]}``, where ``bbox`` is
  one box or a list of boxes. ``tokens_positive`` (spans in the caption) is kept and not needed;
  ``synonyms`` are further phrases for the same region.

Ours beside mmdet's: ``mask`` (or ``segmentation``): a COCO segmentation, polygons or run-length;
for a region with a list of boxes a list with one entry for each box, null for none. ``iscrowd``:
the instance is ignored. One file may hold lines of both kinds.
"""

import json
from collections.abc import Sequence

from expalign.structures.prompts import is_unicode
from expalign.utils.shown import shown

from .coco import NO_FLAG
from .fields import flag, identifier
from .mdetr import is_span
from .problems import AnnotationProblems
from .record import (
    BadEntry,
    PhraseList,
    clean_phrase,
    instance,
    is_usable_box,
    is_usable_phrase,
    size_of_image,
)

NO_LABEL = 'the label is not in the label map'
KINDS = ('detection', 'grounding')


def parse_label_map(content: object, path: str) -> list[str]:
    """The names by label of a label map ``{"0": name, "1": name, ...}``.

    Raises:
        ValueError: its keys are not the numbers from 0 on, or a value is no name.
    """
    labels = sorted(content, key=lambda key: (len(key), key)) if isinstance(content, dict) else ()
    if not labels or labels != [str(i) for i in range(len(labels))] or not all(
            isinstance(name, str) and name.strip() and is_unicode(name)
            for name in content.values()):
        raise ValueError(
            f"label map '{path}' must be a JSON object of names by label, "
            '{"0": "first name", "1": "second name", ...}')
    return [content[label].strip() for label in labels]


def parse_line(line: dict, number: int, names: Sequence[str] | None,
               problems: AnnotationProblems) -> dict | None:
    """The record of one line, see :mod:`expalign.datasets.formats.record`.

    None where ``problems`` takes the refusal of the line.

    Args:
        line: the object of the line.
        number: of the line, from 1; also the image's id if the line has none.
        names: the label map's, for detection lines.
        problems: takes what is not used.

    Raises:
        ValueError: the line is not in the format.
    """
    where = f'line {number}'
    try:
        kind, size, image_id = _head(line, number)
    except BadEntry as error:
        problems.refuse(error.kind, where, error.detail)
        return None
    if kind == 'detection' and names is None:
        raise ValueError(
            f"annotation file '{problems.source}', {where} is a detection line: set "
            "'label_map_file' of the dataset to the file with the names of its labels")
    problems.entry(line)
    record = dict(file_name=line['filename'], height=size[0], width=size[1], img_id=image_id,
                  text_kind=kind)
    place = f"{where}, image '{line['filename']}'"
    if kind == 'grounding':
        record.update(_grounding(line['grounding'], size, problems, place))
    else:
        record['instances'] = _detection(line['detection'], size, names, problems, place)
    return record


def _head(line: dict, number: int) -> tuple[str, tuple[int, int], int | str]:
    """Kind, (height, width) and image id of a line, or a :class:`BadEntry`."""
    kinds = [kind for kind in KINDS if kind in line]
    if len(kinds) != 1 or not isinstance(line[kinds[0]], dict):
        raise BadEntry("a line needs either an object 'detection' or an object 'grounding'",
                       f', got the keys {shown(sorted(line))}')
    part = line[kinds[0]]
    entries_key = 'instances' if kinds == ['detection'] else 'regions'
    entries = part.get(entries_key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadEntry(f'{entries_key!r} must be a list of objects', f', got {shown(entries)}')
    if not isinstance(line.get('filename'), str):
        raise BadEntry("'filename' must be a string", f", got {shown(line.get('filename'))}")
    image_id = identifier(line.get('img_id', number))
    if image_id is None:
        raise BadEntry("'img_id' must be a number or text", f", got {shown(line['img_id'])}")
    if not isinstance(part.get('caption', ''), str | None):
        raise BadEntry("'caption' must be a string", f", got {shown(part['caption'])}")
    return kinds[0], size_of_image(line), image_id


def _detection(part: dict, size: tuple[int, int], names: Sequence[str],
               problems: AnnotationProblems, place: str) -> list[dict]:
    instances = []
    for index, entry in enumerate(part['instances']):
        spot = f'{place}, instance {index}'
        label, crowd = shown(entry.get('label')).strip("'"), flag(entry.get('iscrowd'))
        if not (label.isascii() and label.isdecimal() and int(label) < len(names)):
            problems.bad(NO_LABEL, f'{spot} ({label})')
            continue
        name = names[int(label)]
        if 'category' in entry and str(entry['category']).strip() != name:
            problems.bad(
                "'category' is another name than the label map's",
                f"{spot} ({shown(entry['category'])}, {name!r})")
        elif crowd is None:
            problems.bad(NO_FLAG, spot)
        elif is_usable_box(entry.get('bbox'), size, problems, spot):
            problems.used((index, None))
            instances.append(instance(
                entry['bbox'], int(label), _mask(entry), crowd))
    return instances


def _grounding(part: dict, size: tuple[int, int], problems: AnnotationProblems,
               place: str) -> dict:
    phrases, instances = PhraseList(), []
    for index, region in enumerate(part['regions']):
        spot = f'{place}, region {index}'
        phrase = region.get('phrase')
        if isinstance(phrase, list):  # mmdet's converter: the parts of a phrase
            phrase = ' '.join(map(str, phrase))
        if not is_usable_phrase(phrase, problems, spot):
            continue
        boxes, masks, several = _boxes_and_masks(region)
        if not isinstance(masks, list) or len(masks) != len(boxes):
            problems.refuse(
                'a region has another number of masks than of boxes', spot,
                f': {len(boxes)} boxes, masks {shown(masks)}; give a list with one mask or null '
                'for each box')
            continue
        fault = _fault_of_region(region)
        if fault is not None:
            problems.bad(fault, spot)
            continue
        label = phrases.label(phrase, region.get('tokens_positive'), region.get('synonyms'))
        for number, (box, mask) in enumerate(zip(boxes, masks, strict=True)):
            if is_usable_box(box, size, problems, spot):
                problems.used((index, number if several else None))
                instances.append(instance(box, label, mask, flag(region.get('iscrowd'))))
    return dict(text=phrases.text, caption=part.get('caption'),
                tokens_positive=phrases.tokens_positive, instances=instances)


def _boxes_and_masks(region: dict) -> tuple[list, list | object, bool]:
    """The boxes of a region, their masks, and whether the region has lists of them."""
    boxes, masks = region.get('bbox'), _mask(region)
    if not boxes or not isinstance(boxes, list) or not isinstance(boxes[0], list):
        return [boxes], [masks], False
    return boxes, masks or [None] * len(boxes), True


def _fault_of_region(region: dict) -> str | None:
    if flag(region.get('iscrowd')) is None:
        return NO_FLAG
    spans, synonyms = region.get('tokens_positive') or [], region.get('synonyms') or []
    if not isinstance(spans, list) or not all(map(is_span, spans)):
        return "'tokens_positive' is no list of spans"
    if not isinstance(synonyms, list) or not all(
            isinstance(text, str) and clean_phrase(text) and is_unicode(text) for text in synonyms):
        return "'synonyms' is no list of phrases"
    return None


def _mask(entry: dict) -> list | dict | None:
    return entry.get('mask', entry.get('segmentation'))


def to_line(record: dict, names: Sequence[str] | None = None) -> str:
    """A record as a line of ODVG, without the line break; :func:`parse_line` reads it back.

    Args:
        record: see :mod:`expalign.datasets.formats.record`.
        names: the vocabulary, for a detection record.
    """
    line = dict(filename=record['file_name'], height=record['height'], width=record['width'],
                img_id=record['img_id'])
    if record['text_kind'] == 'detection':
        line['detection'] = dict(instances=[
            dict(bbox=entry['bbox'], label=entry['bbox_label'],
                 category=names[entry['bbox_label']]) | _extras(entry)
            for entry in record['instances']])
    else:
        line['grounding'] = _grounding_part(record)
    return json.dumps(line, ensure_ascii=False, separators=(',', ':'))


def _extras(entry: dict) -> dict:
    extras = dict(mask=entry['mask']) if 'mask' in entry else {}
    return extras | (dict(iscrowd=1) if entry['ignore_flag'] else {})


def _grounding_part(record: dict) -> dict:
    """Caption and regions; crowds have a region of their own, as the flag is the region's."""
    caption, spans = record.get('caption'), record.get('tokens_positive')
    phrases = [[entry] if isinstance(entry, str) else entry for entry in record['text']]
    if caption is None:
        caption, spans = _joined([phrase[0] for phrase in phrases])
    regions = []
    for label, phrase in enumerate(phrases):
        for crowd in (0, 1):
            entries = [entry for entry in record['instances']
                       if (entry['bbox_label'], entry['ignore_flag']) == (label, crowd)]
            if not entries:
                continue
            region = dict(bbox=[entry['bbox'] for entry in entries], phrase=phrase[0],
                          tokens_positive=spans[label] if spans else [])
            if len(phrase) > 1:
                region['synonyms'] = phrase[1:]
            if any('mask' in entry for entry in entries):
                region['mask'] = [entry.get('mask') for entry in entries]
            if crowd:
                region['iscrowd'] = 1
            regions.append(region)
    return dict(caption=caption, regions=regions)


def _joined(phrases: Sequence[str]) -> tuple[str, list[list[list[int]]]]:
    """A caption that lists phrases, and the span of each in it."""
    caption, spans = '', []
    for phrase in phrases:
        spans.append([[len(caption), len(caption) + len(phrase)]])
        caption += f'{phrase}. '
    return caption.strip(), spans
