"""The images of a split in YOLO's layout: all below a folder, or those that a list names."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import cv2

from expalign.limits import LIST_BYTES
from expalign.utils.tally import Tally

from .plain_text import read_text

# What the training loader reads is found by content; these go without a look into the file.
IMAGE_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'}
# What lies beside images in exports and is accounted for elsewhere, or describes the data set.
OTHER_SUFFIXES = {'.txt', '.json', '.xml', '.yaml', '.yml', '.csv', '.md', '.cache', '.npy',
                  '.names', '.labels', '.data', '.html'}


def find_place(root: Path, name: str) -> Path | None:
    """The absolute path of a folder or file that a description names; None if it is not there.

    Published files count '../' from a folder that is not there, have backslashes, or the path on
    the machine where they were written; then the longest end of the path that exists below
    ``root`` and names a folder and what is in it is taken. Links are not resolved.
    """
    parts = PurePosixPath(name.replace('\\', '/')).parts
    # A list of images may lie at the root itself.
    last = len(parts) - (not name.endswith('.txt'))
    ends = [root.joinpath(*parts[first:]) for first in range(1, last)]
    for path in (root / name, root.joinpath(*parts), root / name.removeprefix('../'), *ends):
        try:
            if path.exists():
                plain = Path(os.path.abspath(path))
                return plain if plain.exists() else path.resolve()
        except (OSError, ValueError):  # a name that is too long, or has a zero byte
            continue
    return None


def list_images(path: Path, root: Path, tally: Tally) -> list[Path]:
    """The images that a list names, one a line, from its own folder or from ``root``.

    Raises:
        ValueError: the file is no text, or larger than the limit.
    """
    files = []
    for line in read_text(path, LIST_BYTES).splitlines():
        if line.strip():
            found = find_place(path.parent, line.strip()) or find_place(root, line.strip())
            if found is None:
                tally.note('images left out: missing or not readable', line.strip())
            else:
                files.append(found)
    return files


def images_below(folder: Path, tally: Tally) -> Iterator[Path]:
    """All images in a folder and those in it, also behind links; ``tally`` gets other files."""
    for file in files_below(folder):
        suffix = file.suffix.lower()
        if file.name.startswith('.'):
            if suffix in IMAGE_SUFFIXES:
                tally.note('hidden files left out', file)
        elif not _is_regular(file):
            tally.note('images left out: missing or not readable', file)
        elif suffix in IMAGE_SUFFIXES or suffix not in OTHER_SUFFIXES and _is_image(file):
            yield file
        elif suffix not in OTHER_SUFFIXES:
            tally.note('files left out: no image that training reads', file)


def files_below(folder: Path) -> Iterator[Path]:
    """All files of a folder tree, in order; links to folders are followed, each folder once."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        yield from (Path(place, name) for name in sorted(files))


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _is_image(path: Path) -> bool:
    """Whether OpenCV, with which training reads images, knows the file's first bytes."""
    try:
        return cv2.haveImageReader(str(path))
    except (cv2.error, UnicodeEncodeError):
        return False
