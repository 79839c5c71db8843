"""Grounding annotations in MDETR's form: COCO's layout, an image entry for each caption.

``images`` have a ``caption``; ``annotations`` have ``tokens_positive``, the character spans
[start, end) of the caption that name the object. Files: Flickr30k entities ("separateGT"), GQA
("mixed, no COCO"), RefCOCO/+/g ("finetune_refcoco*").
"""

from collections.abc import Iterator, Sequence

from .problems import AnnotationProblems
from .record import PhraseList, image_size, instance, is_usable_box, is_usable_phrase, xyxy

PARTS = ('images', 'annotations')


def spanned_phrase(caption: str, spans: Sequence[Sequence[int]]) -> str:
    """The words of a caption inside character spans [start, end), in the caption's order.

    Raises:
        ValueError: there is no span, or one reaches outside of the caption.
    """
    if not spans or not all(
            len(span) == 2 and 0 <= span[0] < span[1] <= len(caption) for span in spans):
        raise ValueError(f'the spans {spans!r} do not lie in the caption of {len(caption)} letters')
    return ' '.join(caption[start:end] for start, end in sorted(map(tuple, spans)))


def parse_image(image: dict, annotations: Sequence[dict], problems: AnnotationProblems,
                whole_caption: bool = False) -> dict:
    """The record of one image entry, see :mod:`expalign.datasets.formats.record`.

    Args:
        image: the entry of ``images``.
        annotations: its entries of ``annotations``.
        problems: takes what is not used.
        whole_caption: whether the phrase of every box is the whole caption, as in referring data.

    Raises:
        ValueError: the entry has no size, file name or caption.
    """
    where = f"annotation file '{problems.source}', image {image.get('id')!r}"
    size = image_size(image, where)
    for key in ('file_name', 'caption'):
        if not isinstance(image.get(key), str):
            raise ValueError(f'{where}: {key!r} must be a string, got {image.get(key)!r}')
    caption, phrases, instances = image['caption'], PhraseList(), []
    for annotation in annotations:
        place = f"image '{image['file_name']}', annotation {annotation.get('id')!r}"
        spans = [[0, len(caption)]] if whole_caption else annotation.get('tokens_positive')
        box = xyxy(annotation.get('bbox'))
        try:
            phrase = spanned_phrase(caption, spans)
        except (TypeError, ValueError) as error:
            problems.bad("'tokens_positive' must be spans inside the caption", f'{place}: {error}')
            continue
        if not is_usable_phrase(phrase, problems, place) or not is_usable_box(
                box, size, problems, place):
            continue
        instances.append(instance(
            box, phrases.label(phrase, spans), annotation.get('segmentation'),
            annotation.get('iscrowd', 0)))
    return dict(
        file_name=image['file_name'], height=size[0], width=size[1], img_id=image['id'],
        text_kind='grounding', text=phrases.text, caption=caption,
        tokens_positive=phrases.tokens_positive, instances=instances)


def check_mdetr_format(content: object, path: str) -> None:
    """Raise ``ValueError`` if ``content``, read from ``path``, is not in MDETR's format."""
    if not isinstance(content, dict) or not all(
            isinstance(content.get(part), list) for part in PARTS):
        raise ValueError(
            f"annotation file '{path}' is not in MDETR's format: it needs the lists 'images' (with "
            "'caption') and 'annotations' (with 'tokens_positive')")


def images_with_annotations(content: dict, path: str) -> Iterator[tuple[dict, list[dict]]]:
    """Each image entry of a file's content with its annotations, in the order of ``images``.

    Raises:
        ValueError: an annotation belongs to no image, or two images share an id.
    """
    grouped = {image['id']: (image, []) for image in content['images']}
    if len(grouped) < len(content['images']):
        raise ValueError(f"annotation file '{path}' has several images of one id")
    for annotation in content['annotations']:
        if annotation['image_id'] not in grouped:
            raise ValueError(
                f"annotation file '{path}': annotation {annotation.get('id')!r} belongs to image "
                f"{annotation['image_id']!r}, which the file does not have")
        grouped[annotation['image_id']][1].append(annotation)
    yield from grouped.values()
