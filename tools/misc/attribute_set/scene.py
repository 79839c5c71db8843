"""One picture of the attribute set: what is in it and how it is made.

Three kinds: a photograph whose objects are painted inside their masks; a photograph with shapes on
it besides; a made-up scene of shapes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from .paint import background, blend, paint, soft
from .photos import SMALLEST, Photograph
from .shapes import draw_shape
from .words import (
    COLOURS,
    HELD_NOUNS,
    SHAPES,
    SIZES,
    TEXTURES,
    UNASKED,
    UNPAINTED,
    held_attributes,
    trained_attributes,
)

RADII = {'small': (11, 18), 'large': (32, 58)}  # pixels, of the shapes
SMALLEST_SCENE = 320
MOST_COVERED = 0.12  # of a shape, or of an object under it


@dataclass
class Thing:
    """An object that prompts can ask for.

    Attributes:
        noun: what it is.
        mask: (H, W) bool.
        attribute: its colour or texture, None where it was not given one.
        size: 'small', 'large', or None.
        box: xyxy; by default that of the mask.
    """

    noun: str
    mask: np.ndarray
    attribute: str | None = None
    size: str | None = None
    box: np.ndarray = field(default=None)

    def __post_init__(self) -> None:
        if self.box is None:
            rows, columns = np.nonzero(self.mask)
            self.box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1],
                                np.float64)


@dataclass
class Scene:
    """A picture and all that is known of it.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        things: objects of the classes that are annotated completely.
        present: nouns that are in the picture, annotated completely or not.
    """

    image: np.ndarray
    things: list[Thing]
    present: set[str]


def make_scene(rng: np.random.Generator, photograph: Photograph | None, shapes: bool,
               training: bool) -> Scene:
    """A picture.

    Args:
        rng: of this picture alone.
        photograph: what it is made on; None for a made-up background.
        shapes: whether shapes are put on it.
        training: whether held-out words and combinations are left out.
    """
    if photograph is None:
        image = background(SMALLEST_SCENE, SMALLEST_SCENE, rng)
        scene = Scene(image, [], set())
    else:
        scene = _painted(rng, photograph, training)
    if shapes:
        _add_shapes(rng, scene, int(rng.integers(3, 7) if photograph is None
                                    else rng.integers(2, 4)), training)
    return scene


def choose_attribute(rng: np.random.Generator, noun: str, kind: Sequence[str], training: bool
                     ) -> str:
    """An attribute of a kind for a noun: in training a trained one, else held out half of the
    time."""
    held = held_attributes(noun, tuple(kind))
    if not training and noun not in HELD_NOUNS and held and rng.integers(2):
        return held[rng.integers(len(held))]
    free = list(kind) if noun in HELD_NOUNS else trained_attributes(noun, tuple(kind))
    return free[rng.integers(len(free))]


def _painted(rng: np.random.Generator, photograph: Photograph, training: bool) -> Scene:
    """A photograph with some classes painted; mirrored half of the time."""
    flip = bool(rng.integers(2))
    image = photograph.image[:, ::-1].copy() if flip else photograph.image.copy()
    scene = Scene(image, [], {instances.noun for instances in photograph.classes})
    able = [x for x in photograph.classes if x.paintable() and x.noun not in UNPAINTED
            and not (training and x.noun in HELD_NOUNS)]
    chosen = {able[i].noun for i in rng.permutation(len(able))[:rng.integers(1, 4)]} if able else ()
    for instances in photograph.classes:
        if not instances.whole or instances.noun in UNASKED or (
                training and instances.noun in HELD_NOUNS):
            continue
        kind = _kind(rng, instances.noun) if instances.noun in chosen else None
        _add_instances(rng, scene, instances, flip, kind, training)
    return scene


def _kind(rng: np.random.Generator, noun: str) -> tuple[str, ...]:
    """Colours, or textures for a third of the classes."""
    textures = trained_attributes(noun, TEXTURES)
    return TEXTURES if textures and rng.integers(3) == 0 else tuple(COLOURS)


def _add_instances(rng: np.random.Generator, scene: Scene, instances, flip: bool,
                   kind: tuple[str, ...] | None, training: bool) -> None:
    """The instances of a class, painted where a kind of attribute is given."""
    width = scene.image.shape[1]
    values = [choose_attribute(rng, instances.noun, kind, training) for _ in range(2)
              ] if kind else [None]
    for mask, box in zip(instances.masks, instances.boxes, strict=True):
        value = values[rng.integers(len(values))]
        mask = mask[:, ::-1] if flip else mask
        if value is not None:
            scene.image = paint(scene.image, soft(mask), value, rng)
        box = np.array([width - box[2], box[1], width - box[0], box[3]]) if flip else box
        if max(box[2] - box[0], box[3] - box[1]) >= SMALLEST:
            scene.things.append(Thing(instances.noun, mask, value, box=box.copy()))


def _add_shapes(rng: np.random.Generator, scene: Scene, count: int, training: bool) -> None:
    """Put shapes where little is; some of them of one noun with different attributes."""
    nouns = [noun for noun in SHAPES if not (training and noun in HELD_NOUNS)]
    own = [nouns[i] for i in rng.permutation(len(nouns))[:max(2, count // 2)]]
    kinds = {noun: _kind(rng, noun) for noun in own}
    taken = np.zeros(scene.image.shape[:2], bool)
    for thing in scene.things:
        taken |= thing.mask
    for _ in range(count):
        noun = own[rng.integers(len(own))]
        size = SIZES[rng.integers(2)]
        alpha = _place(rng, noun, size, taken, scene.things)
        if alpha is None:
            continue
        value = choose_attribute(rng, noun, kinds[noun], training)
        flat = blend(scene.image, np.full(3, rng.uniform(110, 150)) * _light(rng, alpha), alpha)
        scene.image = paint(flat, alpha, value, rng)
        mask = alpha > 0.5
        taken |= cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))) > 0
        scene.things.append(Thing(noun, mask, value, size))
        scene.present.add(noun)


def _light(rng: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    """A gradient of light over a shape, (H, W, 1)."""
    y, x = np.mgrid[:alpha.shape[0], :alpha.shape[1]] / max(alpha.shape)
    angle = rng.uniform(0, 2 * np.pi)
    return (1 + 0.8 * (np.cos(angle) * (x - x[alpha > 0.5].mean())
                       + np.sin(angle) * (y - y[alpha > 0.5].mean())))[..., None]


def _place(rng: np.random.Generator, noun: str, size: str, taken: np.ndarray,
           things: Sequence[Thing]) -> np.ndarray | None:
    """A shape on a free place, whole; None where there is none in twelve tries."""
    height, width = taken.shape
    for _ in range(12):
        radius = rng.uniform(*RADII[size])
        if 2 * radius + 4 >= min(height, width):
            continue
        centre = rng.uniform(radius + 2, width - radius - 2), rng.uniform(
            radius + 2, height - radius - 2)
        tilt = 0.0 if noun in ('diamond', 'heart') else rng.uniform(-0.35, 0.35)
        alpha = draw_shape(noun, centre, radius, tilt, (height, width))
        mask = alpha > 0.5
        if (taken & mask).sum() <= MOST_COVERED * mask.sum() and all(
                (thing.mask & mask).sum() <= MOST_COVERED * thing.mask.sum() for thing in things):
            return alpha
    return None
