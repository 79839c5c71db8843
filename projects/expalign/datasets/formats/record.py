"""The common form of what the parsers of all annotation formats give: one record an image.

A record is a dict:

- ``file_name``: of the image, relative to the folder of images.
- ``height``, ``width``: of the image, pixels.
- ``img_id``: the image's id in its file.
- ``text_kind``: ``'detection'`` (labels index the data set's vocabulary, and what has no instance
  is absent) or ``'grounding'`` (labels index the record's own ``text``).
- ``text``: of a grounding record: V phrases, each a str or a list of synonyms.
- ``caption``, ``tokens_positive`` (V lists of character spans): of a grounding record, where the
  format has them.
- ``instances``: dicts with ``bbox`` (x1, y1, x2, y2) in pixels, ``bbox_label``, ``ignore_flag``
  (1 for crowds) and, where there is one, ``mask`` (a COCO segmentation).
"""

import math
from numbers import Real

from ..transforms.phrases import plain
from .problems import AnnotationProblems

NOT_A_BOX = 'the box is not four finite numbers'
NEGATIVE_BOX = 'the box has a negative width or height'
THIN_BOX = 'box thinner than a pixel'
OUTSIDE_BOX = 'box outside of the image'
NOT_UNICODE = 'the phrase has characters that are no valid Unicode (lone surrogates)'


def image_size(image: dict, where: str) -> tuple[int, int]:
    """Height and width of an image entry; some files have them as strings.

    Raises:
        ValueError: they are missing or no positive whole numbers.
    """
    try:
        height, width = int(image['height']), int(image['width'])
    except (KeyError, TypeError, ValueError):
        height = width = 0
    if min(height, width) <= 0:
        raise ValueError(
            f"{where}: 'height' and 'width' must be positive whole numbers, got "
            f"{image.get('height')!r} and {image.get('width')!r}")
    return height, width


def is_usable_box(box: object, size: tuple[int, int], problems: AnnotationProblems,
                  where: str) -> bool:
    """Whether a box (x1, y1, x2, y2) can be used in an image of (height, width); else count it.

    A box that is partly inside is usable as it is.
    """
    if not isinstance(box, (list, tuple)) or len(box) != 4 or not all(
            isinstance(x, Real) and math.isfinite(x) for x in box):
        problems.bad(NOT_A_BOX, where)
        return False
    width, height = box[2] - box[0], box[3] - box[1]
    if width < 0 or height < 0:
        problems.bad(NEGATIVE_BOX, where)
        return False
    if width < 1 or height < 1:
        problems.dropped(THIN_BOX)
        return False
    if box[0] >= size[1] or box[1] >= size[0] or box[2] <= 0 or box[3] <= 0:
        problems.dropped(OUTSIDE_BOX)
        return False
    return True


def xyxy(box: object) -> object:
    """COCO's (x, y, width, height) as (x1, y1, x2, y2); anything else as it is."""
    try:
        x, y, width, height = box
        return [x, y, x + width, y + height]
    except (TypeError, ValueError):
        return box


def instance(box: list, label: int, segmentation: list | dict | None = None,
             crowd: bool = False) -> dict:
    """An entry of a record's ``instances``."""
    entry = dict(bbox=[float(x) for x in box], bbox_label=label, ignore_flag=int(bool(crowd)))
    if segmentation:
        entry['mask'] = segmentation
    return entry


def clean_phrase(phrase: str) -> str:
    """A phrase without surrounding white space and punctuation marks, words one space apart."""
    return ' '.join(phrase.split()).strip(' .,;:!?')


class PhraseList:
    """The distinct phrases of an image, in the order of their first use.

    Two phrases are the same if they differ by case, white space or a mark at their ends only.
    """

    def __init__(self) -> None:
        self.text: list[str | list[str]] = []
        self.tokens_positive: list[list[list[int]]] = []
        self._labels: dict[str, int] = {}

    def label(self, phrase: str, spans: list | None = None,
              synonyms: list[str] | None = None) -> int:
        """The label of a phrase, a new one if it was not there."""
        phrase = clean_phrase(phrase)
        label = self._labels.setdefault(plain(phrase), len(self.text))
        if label == len(self.text):
            others = [clean_phrase(s) for s in synonyms or ()]
            self.text.append([phrase, *others] if others else phrase)
            self.tokens_positive.append([])
        known = self.tokens_positive[label]
        known += [list(span) for span in spans or () if list(span) not in known]
        return label


def is_usable_phrase(phrase: object, problems: AnnotationProblems, where: str) -> bool:
    """Whether a phrase is text with something in it; else count it."""
    if not isinstance(phrase, str) or not clean_phrase(phrase):
        problems.bad('the phrase is empty or no text', where)
        return False
    try:
        phrase.encode('utf-8')
    except UnicodeEncodeError:
        problems.bad(NOT_UNICODE, where)
        return False
    return True
