"""The files that may hold the labels of a data set."""

import os
from collections.abc import Iterable
from pathlib import Path

from expalign.utils.file_kinds import special_kind

from .yolo_images import IMAGE_SUFFIXES, files_below


def image_folder(root: Path, given: str | Path | None) -> Path:
    """Where the images of a data set are looked for.

    Args:
        root: folder of the labels.
        given: what the user said; None: ``root``, or the one above where it has no image.
    """
    if given is not None:
        return Path(given)
    here = any(path.suffix.lower() in IMAGE_SUFFIXES for path in files_below(root))
    return root if here else root.parent


def label_files(source: str | Path, suffixes: tuple[str, ...], only: Iterable[Path] | None = None
                ) -> tuple[Path, list[Path]]:
    """The folder of a data set, and its files of some kinds, sorted.

    Args:
        source: the folder, or one file.
        suffixes: in small letters.
        only: the files that count; by default all below the folder.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: it is a pipe or a device.
    """
    root = Path(os.path.abspath(source))
    if not root.exists():
        raise FileNotFoundError(f"'{source}' does not exist")
    if not root.is_dir():
        if special_kind(root):
            raise ValueError(f"'{source}' is {special_kind(root)}")
        return root.parent, [root]
    found = files_below(root) if only is None else only
    return root, [path for path in found if path.suffix.lower() in suffixes
                  and not path.name.startswith('.') and special_kind(path) is None]
