"""From labelled images to those that can be used: their files are found, their objects checked."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from expalign.structures.prompts import is_unicode
from expalign.utils.tally import Tally

from .image_index import ImageIndex, SeveralImages
from .labelled import BadLabel, LabelledImage
from .labelled_fit import coco_annotation, fitted_size, number_fault

SUFFIXES = {b'\xff\xd8': '.jpg', b'\x89P': '.png', b'BM': '.bmp', b'RI': '.webp', b'II': '.tif',
            b'MM': '.tif'}  # of embedded images


@dataclass
class FoundImage:
    """An image that is used.

    Args:
        file: its path; of an embedded one, where it is during the conversion.
        size: (width, height) as it is to be loaded.
        objects: class names and annotations.
        content: of an embedded image.
    """

    file: Path
    size: tuple[int, int]
    objects: list[tuple[str, dict]]
    content: bytes | None = None


class ImageFinder:
    """Gives the images of labelled ones that can be used.

    Args:
        index: of the images that there are.
        scratch: folder for embedded images, for the time of the conversion.
        max_bad: objects and files not in their format that are left out of a split; one more is an
            error.

    Attributes:
        used: the files of the images that were given.
    """

    def __init__(self, index: ImageIndex, scratch: Path, max_bad: int) -> None:
        self.index, self.scratch, self.max_bad = index, scratch, max_bad
        self.used: set[Path] = set()

    def images(self, labelled: Iterable[LabelledImage | BadLabel], tally: Tally
               ) -> Iterator[FoundImage]:
        """The images of a split.

        Args:
            labelled: what a reader gives.
            tally: gets what is left out or changed.

        Raises:
            ValueError: something is not in its format; the message has the place.
        """
        bad, seen = [0], set()
        for image in labelled:
            if isinstance(image, BadLabel):
                self._bad(str(image), bad, tally)
                continue
            for problem in image.problems:
                self._bad(f'{image.where}: {problem}', bad, tally)
            file = self._file(image, tally)
            if file is None:
                continue
            if file in seen:
                tally.note('annotations left out: another one of the same image', image.where)
                continue
            seen.add(file)
            found = self._found(image, file, bad, tally)
            if found is not None:
                self.used.add(file)
                yield found

    def _bad(self, message: str, bad: list[int], tally: Tally) -> None:
        bad[0] += 1
        if bad[0] > self.max_bad:
            raise ValueError(f'{message} (--max-bad N leaves out up to N such faults)')
        tally.note('left out: not in its format', message)

    def _file(self, image: LabelledImage, tally: Tally) -> Path | None:
        """The image's file; an embedded one is written for the time of the conversion.

        Where a name fits several files, a later one may tell which: VOC's SegmentationClass has
        an image of each name of JPEGImages, with another suffix.
        """
        several = None
        for name in image.names:
            try:
                file = self.index.find(name, image.near, image.file_bytes)
            except SeveralImages as error:
                several = several or error
                continue
            if file is not None and (several is None or file in several.files):
                return file
        if several is not None and image.content is None:
            tally.note('images left out: the name fits several files equally well',
                       f'{image.where}: {several}')
            return None
        if image.content is None:
            tally.note('images left out: missing', f'{image.where}: {" or ".join(image.names)}')
            return None
        suffix = SUFFIXES.get(image.content[:2], '.img')
        digest = hashlib.sha256(image.where.encode('utf-8', 'surrogateescape')).hexdigest()[:8]
        file = self.scratch / f'{Path(image.where).stem[:60]}-{digest}{suffix}'
        file.write_bytes(image.content)
        tally.note('images taken out of their annotation, which embeds them', image.where)
        return file

    def _found(self, image: LabelledImage, file: Path, bad: list[int], tally: Tally
               ) -> FoundImage | None:
        valid = []
        for number, obj in enumerate(image.objects, 1):
            fault = _name_fault(obj.name) or number_fault(obj)
            if fault is None:
                valid.append(obj)
            else:
                self._bad(f'{image.where}: object {number} {fault}', bad, tally)
        image.objects = valid
        try:
            str(file).encode()
            fitted = fitted_size(image, file, tally)
        except UnicodeEncodeError:
            tally.note('images left out: their file name is no text in UTF-8', file)
            return None
        except OSError as error:
            tally.note('images left out: not readable', error)
            return None
        if fitted is None:
            return None
        objects, known = [], set()
        for obj in image.objects:
            annotation = coco_annotation(obj, *fitted, image.where, tally)
            key = (obj.name, repr(annotation))
            if annotation is None:
                continue
            if key in known:
                tally.note('objects left out: the same one twice', image.where)
                continue
            known.add(key)
            objects.append((' '.join(obj.name.split()), annotation))
        if not objects:
            tally.note('images without an object', image.where)
        return FoundImage(file, fitted[0], objects, image.content if file.is_relative_to(
            self.scratch) else None)


def _name_fault(name: object) -> str | None:
    if not isinstance(name, str) or not name.strip():
        return 'has no class name'
    return None if is_unicode(name) else 'has a class name that is no valid Unicode'
