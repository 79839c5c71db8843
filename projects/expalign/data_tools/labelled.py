"""What the readers of label formats give: images with their objects, before they are checked.

A reader finds its files and gives one :class:`LabelledImage` after the other; everything that all
formats share (the image's file, its size, boxes outside, repeated objects) is done behind it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from expalign.utils.tally import Tally


class BadLabel(ValueError):
    """Something in an annotation file is not in its format; the message has no file."""


@dataclass
class LabelledObject:
    """An object as its file has it.

    Args:
        name: of its class, as written.
        box: (x1, y1, x2, y2) in pixels of the annotated size; None: the extent of its outline.
        polygons: outlines (x1, y1, x2, y2, ...) in pixels.
        encoding: a COCO run-length encoding of the annotated size, instead of polygons.
        crowd: whether it stands for a group.
        attributes: what else its file says, kept as COCO's ``attributes``.
    """

    name: str
    box: tuple[float, float, float, float] | None = None
    polygons: list[list[float]] = field(default_factory=list)
    encoding: dict | None = None
    crowd: bool = False
    attributes: dict = field(default_factory=dict)


@dataclass
class LabelledImage:
    """An image and all that one place of an annotation file says about it.

    Args:
        where: the file, and the place in it, for messages.
        near: the folder in which the file lies.
        names: how the image is called, the name to try first in front.
        size: annotated (width, height); None where the file does not say.
        objects: of the image; none is background.
        shares: whether boxes and outlines are shares of the image's sides.
        file_bytes: size of the image file, where the annotation has it.
        content: the image file itself, where the annotation has it.
        problems: what is wrong with objects that are not in ``objects``.
    """

    where: str
    near: Path
    names: list[str]
    size: tuple[int, int] | None = None
    objects: list[LabelledObject] = field(default_factory=list)
    shares: bool = False
    file_bytes: int | None = None
    content: bytes | None = None
    problems: list[str] = field(default_factory=list)


@dataclass
class LabelSource:
    """A data set that a reader has found.

    Args:
        kind: the format's name, for people.
        root: folder below which the images are.
        splits: what gives the images of ``'train'``, ``'val'`` and ``'test'``, with a tally of what
            is left out on the way. Both may raise :class:`BadLabel` for a file as a whole.
        files: that are read, none of which may be written to.
        count: files or entries of each split, for progress.
        names: class names that the format lists, in its order; all others follow by alphabet.
        notes: sentences about what was taken to be meant.
    """

    kind: str
    root: Path
    splits: dict[str, Callable[[Tally], Iterator[LabelledImage | BadLabel]]]
    files: list[Path] = field(default_factory=list)
    count: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

