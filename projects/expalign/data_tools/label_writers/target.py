"""What a writer of labels is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from expalign.utils.links import link
from expalign.utils.tally import Tally


class ImageLabels(NamedTuple):
    """One image with its labels, upright as viewers show it.

    Attributes:
        number: 1, 2, ...
        name: its path below the root, with '/'; or its address.
        source: its path or address; for one in an archive where it is in there.
        within: the archive; None for a file.
        width: pixels.
        height: pixels.
        detections: ``prompt``, ``label``, ``score``, ``box`` and ``mask``, see
            :func:`~expalign.structures.detection_formats.as_record`.
        error: why it could not be read; then it has no size and no detections.
    """

    number: int
    name: str
    source: str
    within: str | None
    width: int
    height: int
    detections: list[dict[str, Any]]
    error: str | None = None


def link_to_images(target: 'Target', name: str) -> None:
    """Put a link to the folder of the images beside their labels, where readers look for them."""
    if target.root is not None:
        link(target.root, target.folder / name)


@dataclass(frozen=True)
class Target:
    """Where labels are written to.

    Args:
        folder: a new folder for the files of the form.
        classes: their names, in the order of labels.
        root: folder that names of images start from; None where no image is a file here.
        model: what found the labels.
        tally: gets what the form cannot hold.
    """

    folder: Path
    classes: list[str]
    root: str | None
    model: str
    tally: Tally
