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

from expalign.datasets.phrases import plain
from expalign.limits import IMAGE_PIXELS, LimitExceeded
from expalign.structures.prompts import is_unicode
from expalign.utils.shown import shown

from .fields import number, whole
from .problems import AnnotationProblems

NOT_A_BOX = 'the box is not four finite numbers'
NEGATIVE_BOX = 'the box has a negative width or height'
THIN_BOX = 'box thinner than a pixel'
OUTSIDE_BOX = 'box outside of the image'
NO_PHRASE = 'the phrase is empty or no text'
NO_SIZE = "'height' and 'width' must be positive whole numbers"
NOT_UNICODE = 'the phrase has characters that are no valid Unicode (lone surrogates)'
NOT_UNICODE_NAME = NOT_UNICODE.replace('the phrase', 'the name')


class BadEntry(ValueError):
    """An entry of a file cannot be used.

    Args:
        kind: what is wrong, without figures of the single case.
        detail: these figures.
    """

    def __init__(self, kind: str, detail: str = '') -> None:
        super().__init__(kind + detail)
        self.kind, self.detail = kind, detail


def size_of_image(image: dict) -> tuple[int, int]:
    """Height and width of an image entry; some files have them as strings.

    Raises:
        BadEntry: they are missing or no positive whole numbers, or more than the limit allows.
    """
    height, width = whole(image.get('height')), whole(image.get('width'))
    if not height or not width or min(height, width) <= 0:
        raise BadEntry(
            NO_SIZE, f", got {shown(image.get('height'))} and {shown(image.get('width'))}")
    try:
        IMAGE_PIXELS.check(height * width, f'{shown(width)} x {shown(height)}')
    except LimitExceeded as error:
        raise BadEntry("'height' and 'width' are larger than an image may be",
                       f': {error}') from None
    return height, width


def image_size(image: dict, where: str) -> tuple[int, int]:
    """:func:`size_of_image`, whose ``ValueError`` starts with ``where``."""
    try:
        return size_of_image(image)
    except BadEntry as error:
        raise ValueError(f'{where}: {error}') from error


def is_usable_box(box: object, size: tuple[int, int], problems: AnnotationProblems,
                  where: str) -> bool:
    """Whether a box (x1, y1, x2, y2) can be used in an image of (height, width); else count it.

    A box that is partly inside is usable as it is.
    """
    if not is_box(box):
        problems.bad(NOT_A_BOX, where)
        return False
    width, height = box[2] - box[0], box[3] - box[1]
    if width < 0 or height < 0:
        problems.bad(NEGATIVE_BOX, where)
        return False
    if width < 1 or height < 1:
        problems.dropped(THIN_BOX, where)
        return False
    if box[0] >= size[1] or box[1] >= size[0] or box[2] <= 0 or box[3] <= 0:
        problems.dropped(OUTSIDE_BOX, where)
        return False
    return True


def is_box(box: object) -> bool:
    """Whether ``box`` is four finite numbers; text is none."""
    return isinstance(box, list | tuple) and len(box) == 4 and not any(
        isinstance(x, str) or number(x) is None for x in box)


def xyxy(box: object) -> object:
    """COCO's (x, y, width, height) as (x1, y1, x2, y2); anything else as it is."""
    if not is_box(box):
        return box
    x, y, width, height = box
    return [x, y, x + width, y + height]


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
        problems.bad(NO_PHRASE, where)
        return False
    if not is_unicode(phrase):
        problems.bad(NOT_UNICODE, where)
        return False
    return True
