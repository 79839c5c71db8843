"""Boxes in photographs that show what is meant, checked and put together by photograph."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from expalign.structures.prompts import parse_prompts, prompt_key

from .images import Image, ImageStream

Box = Sequence[float]
# By name: photographs, each with a box or several, x1, y1, x2, y2 in pixels.
Examples = Mapping[str, Sequence[tuple[Any, Box | Sequence[Box]]]]


@dataclass
class ExamplePhotograph:
    """A photograph with its examples.

    Attributes:
        image: path, address or array (H, W, 3) BGR.
        boxes: (n, 4) float32, x1, y1, x2, y2 in pixels.
        labels: (n) places among the names.
    """

    image: Image
    boxes: np.ndarray
    labels: np.ndarray

    @property
    def shown_name(self) -> str:
        """What messages call it."""
        return f'the photograph {self.image}' if isinstance(self.image, str) else (
            'a photograph that is an array')

    def check_inside(self, size: tuple[int, ...]) -> None:
        """Refuse boxes that are not in the photograph.

        Args:
            size: begins with its height and width.

        Raises:
            ValueError: a box has no pixel in it, or less than a quarter of its area; the message
                names both.
        """
        height, width = size[:2]
        for box in self.boxes:
            x1, y1, x2, y2 = box.clip(0, (width, height, width, height))
            inside = (x2 - x1) * (y2 - y1) / ((box[2] - box[0]) * (box[3] - box[1]))
            if x2 - x1 < 1 or y2 - y1 < 1 or inside < 0.25:
                raise ValueError(
                    f'the box {_numbers(box)} is not inside of {self.shown_name}, which has '
                    f'{width} x {height} pixels: a box is x1, y1, x2, y2 in pixels')


def read_examples(examples: Examples) -> tuple[list[str], list[ExamplePhotograph]]:
    """The names, and the photographs with their boxes, each photograph once.

    Args:
        examples: by name a list of pairs: a photograph (a path, an address, an array in BGR order,
            a PIL image or a tensor, as :class:`~.images.ImageStream` takes them), and a box or
            several, x1, y1, x2, y2 in pixels.

    Raises:
        TypeError, ValueError: a name has no example, two are equal up to case and white space, or
            a box is none; the message names it.
        FileNotFoundError: a photograph does not exist.
    """
    if not isinstance(examples, Mapping):
        raise TypeError("examples are a dict, {'mug': [('photo.jpg', (x1, y1, x2, y2))]}, got a "
                        f'{type(examples).__name__}')
    names = parse_prompts(list(examples))
    if len(set(map(prompt_key, names))) < len(names):
        raise ValueError(f'two names of examples are equal (case and white space do not count): '
                         f'{names}')
    found: dict[Any, ExamplePhotograph] = {}
    for label, (name, pairs) in enumerate(zip(names, examples.values(), strict=True)):
        for image, boxes in _pairs(name, pairs):
            key = image if isinstance(image, str) else id(image)
            photograph = found.setdefault(key, ExamplePhotograph(
                image, np.zeros((0, 4), np.float32), np.zeros(0, int)))
            photograph.boxes = np.concatenate([photograph.boxes, boxes])
            photograph.labels = np.concatenate([photograph.labels, [label] * len(boxes)])
    return names, list(found.values())


def _pairs(name: str, pairs: Any) -> Iterable[tuple[Image, np.ndarray]]:
    if isinstance(pairs, str | Mapping) or not isinstance(pairs, Iterable):
        raise TypeError(f'the examples of {name!r} are a list of pairs, a photograph and a box, '
                        f'got a {type(pairs).__name__}')
    pairs = list(pairs)
    if not pairs:
        raise ValueError(f'{name!r} has no example: give it a box in a photograph, or leave it '
                         'out')
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise TypeError(f'an example of {name!r} is a pair, a photograph and a box, got '
                            f'{str(pair)[:100]}')
        sources = ImageStream(pair[0]).sources
        if len(sources) != 1 or not isinstance(sources[0], str | np.ndarray):
            raise ValueError(f'an example of {name!r} is a box in one photograph, got '
                             f'{str(pair[0])[:100]}')
        yield sources[0], _boxes(name, pair[1])


def _boxes(name: str, boxes: Any) -> np.ndarray:
    try:
        array = np.array(boxes, dtype=np.float32)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != 4 or not len(array) or not np.isfinite(array).all():
        raise ValueError(f'a box of {name!r} is x1, y1, x2, y2 in pixels, got {str(boxes)[:100]}')
    for box in array:
        if box[2] <= box[0] or box[3] <= box[1]:
            raise ValueError(f'the box {_numbers(box)} of {name!r} has no area: a box is x1, y1, '
                             'x2, y2 with x1 < x2 and y1 < y2')
    return array


def _numbers(box: np.ndarray) -> str:
    return '(' + ', '.join(f'{number:g}' for number in box) + ')'
