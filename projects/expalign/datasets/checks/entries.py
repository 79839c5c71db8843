"""What the readers of all annotation formats give to the checks."""

from dataclasses import dataclass, field


@dataclass
class Item:
    """One annotated object.

    Args:
        box: what the file has as box, in xyxy form if it is four values.
        name: the class name or phrase; None where the file has none for it.
        mask: COCO segmentation as the file has it, or None.
        crowd: whether it is ignored in training.
        key: where it is in its image entry, for the writer of a cleaned file.
    """

    box: object
    name: str | None
    mask: list | dict | None = None
    crowd: bool = False
    key: object = None


@dataclass
class Entry:
    """One image entry of an annotation file.

    Args:
        raw: the entry as the file has it; leakage rules read it.
        file_name: path below the folder of images.
        path: path of the image.
        size: (height, width), or None if the file's are no positive whole numbers.
        items: its objects.
    """

    raw: dict
    file_name: str
    path: str
    size: tuple[int, int] | None
    items: list[Item] = field(default_factory=list)


@dataclass
class Decision:
    """What a cleaned file has of an item: None as ``box`` leaves it out.

    Args:
        box: xyxy, cut at the image's border.
        keep_mask: whether its mask stays.
    """

    box: list[float] | None
    keep_mask: bool = True


@dataclass(frozen=True)
class Prompts:
    """The prompts that a source trains with.

    Args:
        names: class names; None where every image has phrases of its own.
        missing: names that the annotation file has no category for.
    """

    names: tuple[str, ...] | None
    missing: tuple[str, ...] = ()
