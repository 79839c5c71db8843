"""Grounding annotations in MDETR's form: COCO's layout, an image entry for each caption.

``images`` have a ``caption``; ``annotations`` have ``tokens_positive``, the character spans
[start, end) of the caption that name the object. Files: Flickr30k entities ("separateGT"), GQA
("mixed, no COCO"), RefCOCO/+/g ("finetune_refcoco*").
"""

from collections.abc import Iterator, Sequence

from expalign.utils.shown import shown

from .coco import place_of, usable_object
from .coco_layout import annotations_by_image, by_id, check_layout, checked_image
from .problems import AnnotationProblems
from .record import PhraseList, instance, is_usable_phrase, xyxy

PARTS = ('images', 'annotations')


def spanned_phrase(caption: str, spans: Sequence[Sequence[int]]) -> str:
    """The words of a caption inside character spans [start, end), in the caption's order.

    Raises:
        ValueError: there is no span, or one reaches outside of the caption.
    """
    if not spans or not isinstance(spans, list | tuple) or not all(
            is_span(span) and 0 <= span[0] < span[1] <= len(caption) for span in spans):
        raise ValueError(
            f'the spans {shown(spans)} do not lie in the caption of {len(caption)} letters')
    return ' '.join(caption[start:end] for start, end in sorted(map(tuple, spans)))


def is_span(span: object) -> bool:
    """Whether ``span`` is a pair of whole numbers."""
    return isinstance(span, list | tuple) and len(span) == 2 and all(
        isinstance(place, int) for place in span)


def parse_image(image: dict, annotations: Sequence[dict], problems: AnnotationProblems,
                whole_caption: bool = False) -> dict | None:
    """The record of one image entry, see :mod:`expalign.datasets.formats.record`.

    None where ``problems`` takes the refusal of the entry.

    Args:
        image: the entry of ``images``.
        annotations: its entries of ``annotations``.
        problems: takes what is not used.
        whole_caption: whether the phrase of every box is the whole caption, as in referring data.

    Raises:
        ValueError: the entry has no size, file name or caption.
    """
    raw_image, image = image, checked_image(image, problems)
    if image is None:
        return None
    caption, phrases, instances = image.get('caption'), PhraseList(), []
    if not isinstance(caption, str):
        problems.refuse("'caption' must be a string", f'image {image["id"]!r}',
                        f', got {shown(caption)}')
        return None
    problems.entry(raw_image)
    for raw in annotations:
        place = place_of(raw, image)
        spans = [[0, len(caption)]] if whole_caption else raw.get('tokens_positive')
        try:
            phrase = spanned_phrase(caption, spans)
        except ValueError as error:
            problems.bad("'tokens_positive' must be spans inside the caption", f'{place}: {error}')
            continue
        if not is_usable_phrase(phrase, problems, place):
            continue
        annotation = usable_object(raw, image, problems)
        if annotation is not None:
            problems.used(raw)
            instances.append(instance(
                xyxy(annotation['bbox']), phrases.label(phrase, spans),
                annotation.get('segmentation'), annotation['iscrowd']))
    return dict(
        file_name=image['file_name'], height=image['height'], width=image['width'],
        img_id=image['id'], text_kind='grounding', text=phrases.text, caption=caption,
        tokens_positive=phrases.tokens_positive, instances=instances)


def images_with_annotations(content: object,
                            problems: AnnotationProblems) -> Iterator[tuple[dict, list[dict]]]:
    """Each image entry of a file's content with its annotations, in the order of ``images``.

    Raises:
        ValueError: the file is not in this format, an annotation belongs to no image, or two
            images share an id.
    """
    check_layout(content, problems.source, PARTS, "MDETR's")
    images = by_id(content['images'], 'image', problems)
    grouped = annotations_by_image(content, images, problems)
    for key, image in images.items():
        yield image, grouped.get(key, [])
