"""Flips of images whose prompts may say left or right."""

import re

import cv2
from mmdet.datasets.transforms import RandomFlip as MMDetRandomFlip

from expalign.datasets.phrases import Entry, synonyms
from expalign.registry import TRANSFORMS

SIDES = re.compile(r'\b(left|right)(?=(?:most|ward|wards|hand|handed|side)?\b)', re.IGNORECASE)
FLIP_CODES = dict(horizontal=1, vertical=0, diagonal=-1)
OTHER_SIDE = {'left': 'right', 'right': 'left'}
CHOICES = (None, 'swap_left_right', 'skip')


def names_a_side(entry: Entry) -> bool:
    """Whether a phrase, or one of its synonyms, has the word left or right."""
    return any(SIDES.search(phrase) for phrase in synonyms(entry))


def swap_sides(entry: Entry) -> Entry:
    """The entry with left and right exchanged, in the same case: "Leftmost" -> "Rightmost"."""
    if isinstance(entry, str):
        return SIDES.sub(_other_side, entry)
    return [swap_sides(phrase) for phrase in entry]


def _other_side(match: re.Match) -> str:
    word = match.group()
    other = OTHER_SIDE[word.lower()]
    return other.upper() if word.isupper() else other.title() if word[0].isupper() else other


@TRANSFORMS.register_module()
class RandomFlip(MMDetRandomFlip):
    """mmdet's flip, and what it means for prompts such as "the left dog".

    The pixels are mmdet's, in their order in memory, where mmdet leaves a reversed view of the
    image that every later step reads slowly.

    Words count wherever they stand, also in "the bus that left": where a data set has many of
    those, ``'skip'`` never makes a phrase wrong. Phrases that ``expalign.SamplePrompts`` adds
    afterwards are not changed.

    Args:
        kwargs: mmdet's, ``prob`` and ``direction``.
        flip_text: None leaves the prompts as they are, for class names. For referring data
            ``'swap_left_right'`` exchanges the words in ``text`` when the image is mirrored, and
            ``'skip'`` mirrors no image with an instance whose prompt has one of them.

    Raises:
        ValueError: another ``flip_text``, or one together with other directions than
            ``'horizontal'``, which would turn up and down as well.
    """

    def __init__(self, flip_text: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        if flip_text not in CHOICES:
            raise ValueError(f'RandomFlip: flip_text must be one of {CHOICES}, got {flip_text!r}')
        if flip_text is not None and self.direction not in ('horizontal', ['horizontal']):
            raise ValueError(
                f'RandomFlip: flip_text={flip_text!r} is for the direction horizontal alone, got '
                f'{self.direction!r}')
        self.flip_text = flip_text

    def _flip(self, results: dict) -> None:
        text, labels = results.get('text', []), results.get('gt_bboxes_labels', [])
        if self.flip_text == 'skip' and any(names_a_side(text[label]) for label in set(labels)):
            results.update(flip=False, flip_direction=None)
            return
        image = results['img']
        super()._flip(results)
        results['img'] = cv2.flip(image, FLIP_CODES[results['flip_direction']])
        if self.flip_text == 'swap_left_right':
            results['text'] = [swap_sides(entry) for entry in text]
