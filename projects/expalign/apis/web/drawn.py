"""Boxes that a visitor drew around things, as prompts."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from expalign.apis.inferencer import ExpAlignInferencer
from expalign.structures.prompt_set import PromptSet
from expalign.structures.prompts import parse_prompts, prompt_key

from . import limits
from .requests import Refused

SHAPE = 'an example has a name, a photograph, and a box of four shares of its sides'


class Drawn(NamedTuple):
    """A box with its name: x1, y1, x2, y2 as shares of the sides of a photograph."""

    name: str
    photograph: str
    box: tuple[float, float, float, float]


def read_drawn(given: Any) -> tuple[Drawn, ...]:
    """The boxes of a search, none where it has none.

    Raises:
        Refused: they are not of the page's form, or too many.
    """
    if not isinstance(given, list):
        raise Refused(400, SHAPE)
    number, photographs = limits.EXAMPLES.value, limits.EXAMPLE_PHOTOGRAPHS.value
    if len(given) > number:
        raise Refused(400, f'{len(given)} examples; {number} are the limit')
    drawn = tuple(map(_read, given))
    if len({one.photograph for one in drawn}) > photographs:
        raise Refused(400, f'examples in more than {photographs} photographs: draw fewer')
    return drawn


def prompts_of_drawn(inferencer: ExpAlignInferencer, drawn: tuple[Drawn, ...],
                     pixels_of: Callable[[str], np.ndarray]) -> PromptSet:
    """Prompts that mean what boxes show; boxes of equal names are examples of one thing.

    Args:
        pixels_of: gives a photograph (H, W, 3) RGB by its name.

    Raises:
        Refused: a photograph is not there, or no box of the model's fits an example.
    """
    images = {name: np.ascontiguousarray(pixels_of(name)[..., ::-1])
              for name in dict.fromkeys(one.photograph for one in drawn)}
    spelling: dict[str, str] = {}
    boxes: dict[str, list] = {}
    for one in drawn:
        image = images[one.photograph]
        sides = np.array([image.shape[1], image.shape[0]] * 2)
        name = spelling.setdefault(prompt_key(one.name), one.name)
        boxes.setdefault(name, []).append((image, np.array(one.box) * sides))
    try:
        return inferencer.examples(boxes)
    except ValueError as error:
        # To the visitor a photograph is no array.
        raise Refused(400, str(error).replace('a photograph that is an array', 'the photograph')
                      ) from error


def _read(given: Any) -> Drawn:
    if not isinstance(given, dict):
        raise Refused(400, SHAPE)
    name, photograph, box = (given.get(key) for key in ('name', 'photograph', 'box'))
    if not isinstance(name, str) or not isinstance(photograph, str) or not _is_box(box):
        raise Refused(400, SHAPE)
    if len(name) > limits.PROMPT_LETTERS.value:
        raise Refused(400, f'a name has {limits.PROMPT_LETTERS.value} letters at most')
    try:
        (name,) = parse_prompts([name])
    except ValueError as error:
        raise Refused(400, 'an example needs a name') from error
    return Drawn(name, photograph, tuple(map(float, box)))


def _is_box(box: Any) -> bool:
    return (isinstance(box, list) and len(box) == 4
            and all(type(side) in (int, float) and math.isfinite(side) and 0 <= side <= 1
                    for side in box) and box[0] < box[2] and box[1] < box[3])
