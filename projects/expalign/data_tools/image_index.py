"""Finding the image that an annotation names, among the images of a data set.

Annotations name images by paths of other machines, without a suffix, in other letters or with the
folder of an export. Only images below the data set's own folder are ever given.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from expalign.utils.file_kinds import is_address
from expalign.utils.tally import Tally

from .yolo_images import IMAGE_SUFFIXES, images_below


class SeveralImages(ValueError):
    """A name fits several images equally well.

    Attributes:
        files: these images.
    """

    def __init__(self, files: list[Path]) -> None:
        super().__init__(f'{files[0]} and {files[1]}')
        self.files = files


class ImageIndex:
    """The images below a folder, by name.

    Args:
        root: the folder.
        tally: gets files that are no images, and those that cannot be read.
        only: the files that may be given; by default all below ``root``.

    Attributes:
        files: their absolute paths, sorted.
    """

    def __init__(self, root: Path, tally: Tally, only: Iterable[Path] | None = None) -> None:
        self.root = Path(os.path.abspath(root))
        files = set(images_below(self.root, tally))
        self.files = sorted(files if only is None else files.intersection(only))
        self._by_name, self._by_stem = defaultdict(list), defaultdict(list)
        for file in self.files:
            self._by_name[_key(file.name)].append(file)
            self._by_stem[_key(file.stem)].append(file)

    def find(self, name: str, near: Path, file_bytes: int | None = None) -> Path | None:
        """The image that ``name`` means; None if there is none.

        Args:
            name: a path of any system, a file name, or an address.
            near: the folder of the annotation; of several images of the name, the one whose path
                agrees most with ``name`` counts, then the nearest to this folder.
            file_bytes: size of the image file, which decides before that.

        Raises:
            SeveralImages: several fit equally well.
        """
        for spelling in _spellings(name):
            parts = _parts(spelling)
            if not parts:
                continue
            found = self._by_name.get(parts[-1]) or self._by_stem.get(parts[-1])
            if not found and PurePosixPath(parts[-1]).suffix in IMAGE_SUFFIXES:
                found = self._by_stem.get(PurePosixPath(parts[-1]).stem)
            if found:
                return self._best(found, name, parts, Path(os.path.abspath(near)), file_bytes)
        return None

    def _best(self, files: list[Path], name: str, parts: list[str], near: Path,
              file_bytes: int | None) -> Path:
        if len(files) == 1:
            return files[0]

        def fit(file: Path) -> tuple:
            own = [_key(part) for part in file.parts]
            same = len(os.path.commonprefix([own[-2::-1], parts[-2::-1]]))
            exact = unicodedata.normalize('NFC', file.name) == unicodedata.normalize(
                'NFC', name.replace('\\', '/').rpartition('/')[2])
            distance = len(Path(os.path.relpath(file.parent, near)).parts)
            return (file_bytes is not None and file.stat().st_size == file_bytes, same, exact,
                    -distance)

        ranked = sorted(files, key=fit, reverse=True)
        best = [file for file in ranked if fit(file) == fit(ranked[0])]
        if len(best) > 1:
            raise SeveralImages(best)
        return best[0]


def _key(name: str) -> str:
    """The same for the forms in which systems write one name."""
    return unicodedata.normalize('NFC', name).casefold()


def _parts(path: str) -> list[str]:
    return [_key(part) for part in path.replace('\\', '/').split('/')
            if part not in ('', '.', '..')]


def _spellings(name: str) -> list[str]:
    """The name, and what it is where it is an address or has signs in an address's form."""
    plain = urlsplit(name).path if is_address(name) else name
    return list(dict.fromkeys((plain, unquote(plain), name)))
