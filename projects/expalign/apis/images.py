"""What the inputs of a call stand for: files, folders, patterns, addresses, arrays, videos."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from expalign.utils import check_outputs
from expalign.utils.file_kinds import is_address, special_kind
from expalign.utils.image_files import SUFFIXES

from .image_arrays import as_array
from .result_files import result_files, result_stem
from .video import EXTENSIONS as VIDEO_EXTENSIONS
from .video import VideoFrames

Image = str | np.ndarray
Input = str | Path | np.ndarray | VideoFrames  # and PIL's images and torch's tensors
Inputs = Input | Sequence[Input]
MAX_LISTED = 5
FOLDS_CASE = sys.platform in ('win32', 'darwin')  # where a.jpg and A.jpg are mostly one file


class ImageStream:
    """The images that inputs stand for, one at a time; a video's frames are never all in memory.

    Args:
        inputs: a path or an address (``http://``, ``s3://``, ...: mmengine's file handling reads
            it) of an image, a folder, a pattern such as ``'photos/*.jpg'``, a video, an array
            (H, W, 3) uint8 BGR, a PIL image, a tensor (3, H, W) RGB of uint8 or of floats in
            [0, 1], a :class:`VideoFrames`, or a list of any of these.

    Attributes:
        single: whether one image was given by itself: no list, folder, pattern or video.
        has_video: whether there is a video among the inputs.
        sources: paths, addresses, arrays and :class:`VideoFrames`, in order.
        left_out: images that could not be read, with the errors; see :meth:`leave_out`.

    Raises:
        FileNotFoundError: a path that does not exist, or a pattern that fits no file.
        ValueError: a folder without images, an array of another form, an address that nothing
            here can read, or no input at all.
        TypeError: an input of another type.
    """

    def __init__(self, inputs: Inputs) -> None:
        many = inputs if isinstance(inputs, list | tuple) else [inputs]
        self.sources: list[Image | VideoFrames] = []
        self.left_out: dict[str, Exception] = {}
        self._named: set[str] = set()
        for index, entry in enumerate(many):
            sources = _sources_of(entry, index)
            self.sources += sources
            if len(sources) == 1:
                self._named.update(source for source in sources if isinstance(source, str))
        if not self.sources:
            raise ValueError('there is no image: the list of inputs is empty')
        self.has_video = any(isinstance(source, VideoFrames) for source in self.sources)
        self.single = many is not inputs and len(self.sources) == 1 and not self.has_video and (
            not isinstance(inputs, str | Path)
            or self.sources[0] == os.path.expanduser(str(inputs)))

    def __len__(self) -> int:
        """Number of images; for videos what the files state."""
        return sum(len(source) if isinstance(source, VideoFrames) else 1
                   for source in self.sources)

    def __iter__(self) -> Iterator[Image]:
        for source in self.sources:
            if isinstance(source, VideoFrames):
                yield from source
                report_frames(source)
            else:
                yield source

    def leave_out(self, image: Image, error: Exception) -> None:
        """Note an image that cannot be read, one of several of a folder or pattern.

        Raises:
            Exception: the error, where the image was named itself.
        """
        if not isinstance(image, str) or image in self._named:
            raise error
        self.left_out[image] = error

    def report_left_out(self) -> None:
        """Say once, behind the last image, which ones could not be read.

        Raises:
            Exception: there is no other; it is of the kind of the first error.
        """
        if not self.left_out:
            return
        first = next(iter(self.left_out.values()))
        names = [Path(path).name for path in self.left_out]
        more = f' and {len(names) - MAX_LISTED} more' if len(names) > MAX_LISTED else ''
        message = (
            f'{len(names)} of {len(self)} images could not be read and are left out: '
            f'{", ".join(names[:MAX_LISTED])}{more}. {first}')
        if len(names) == len(self):
            raise type(first)(message)
        _log(message, level=30)

    def check_results(self, out_dir: str | Path, *others: str | Path) -> None:
        """Refuse a folder of results where they would replace each other, or what is read.

        Args:
            out_dir: the folder.
            others: what is read besides the images and videos.

        Raises:
            ValueError: two paths end in one file name, suffix aside, or a result would take the
                place of a file that is read; both files are named.
        """
        seen: dict[str, str] = {}
        for path in (source for source in self.sources if isinstance(source, str)):
            stem = result_stem(path, 0)
            other = seen.setdefault(stem.casefold() if FOLDS_CASE else stem, path)
            if other != path:
                raise ValueError(
                    f'{other} and {path} have one name, and so would their results: run them '
                    'with different output folders')
        paths = [source.path if isinstance(source, VideoFrames) else source
                 for source in self.sources if not isinstance(source, np.ndarray)]
        results = (file for path in seen.values() for file in result_files(out_dir, path))
        check_outputs(results, [*paths, *others])


def report_frames(video: VideoFrames) -> None:
    """Say once, behind the last frame, what of it could not be decoded."""
    if not video.complete:
        _log(f'{video.path}: {video.summary()}', level=30)


def _log(message: str, level: int = 20) -> None:
    try:
        from mmengine.logging import print_log  # after the command line: importing takes a while
    except ImportError:  # beside expalign.runtime, which needs no OpenMMLab
        print(message, file=sys.stderr)
    else:
        print_log(message, 'current', level)


def _sources_of(entry: Input, index: int) -> list[Image | VideoFrames]:
    entry = as_array(entry, f'input {index}')
    if isinstance(entry, np.ndarray):
        if entry.ndim != 3 or entry.shape[2] != 3 or entry.dtype != np.uint8 or not entry.size:
            raise ValueError(
                f'input {index}: an image is an array (H, W, 3) of uint8 in BGR order, got '
                f'{entry.shape} of {entry.dtype}')
        return [entry]
    if isinstance(entry, VideoFrames):
        return [entry]
    if not isinstance(entry, str | Path):
        raise TypeError(
            f'input {index} is a {type(entry).__name__}: give a path, an address, a folder, a '
            'pattern, an array or a list of these')
    text = os.path.expanduser(str(entry))
    if is_address(text):
        _check_address(text)
        return [text]
    if os.path.isdir(text):
        return _images_in_folder(text)
    if os.path.isfile(text):
        return [VideoFrames(text) if text.lower().endswith(VIDEO_EXTENSIONS) else text]
    if glob.has_magic(text):
        found = sorted(path for path in glob.glob(_pattern(text), recursive=True)
                       if os.path.isfile(path))
        if not found:
            raise FileNotFoundError(f'no file fits the pattern {entry}')
        return [source for path in found for source in _sources_of(path, index)]
    kind = special_kind(text)
    if kind is not None:
        raise ValueError(f'the input {entry} is {kind}')
    raise FileNotFoundError(f'the input {entry} does not exist')


def _pattern(text: str) -> str:
    """A pattern in which folders that are there by name, such as ``run [1]``, stand for them."""
    start, parts = '', Path(text).parts
    for index, part in enumerate(parts):
        if not os.path.isdir(os.path.join(start, part)):
            return os.path.join(glob.escape(start), *parts[index:])
        start = os.path.join(start, part)
    return glob.escape(start)


def _check_address(address: str) -> None:
    try:
        from mmengine.fileio import get_file_backend
        get_file_backend(address)
    except KeyError as error:
        raise ValueError(f'the address {address} is of a kind that is not read: {error}') from error
    except ImportError as error:
        raise ValueError(f'the address {address} cannot be read: {error}') from error


def _images_in_folder(folder: str) -> list[str]:
    files = sorted(entry.path for entry in os.scandir(folder) if not entry.is_dir())
    images = [path for path in files if path.lower().endswith(SUFFIXES) and os.path.isfile(path)]
    if not images:
        raise ValueError(
            f'the folder {folder} has no image ({", ".join(SUFFIXES)}) among its '
            f'{len(files)} files')
    if len(images) < len(files):
        _log(f'{folder}: {len(files) - len(images)} of {len(files)} files are no images and are '
             'left out', level=30)
    return images
