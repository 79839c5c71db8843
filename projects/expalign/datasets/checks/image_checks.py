"""Checks of image files: that they can be loaded as training loads them, and their content."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from PIL import Image, UnidentifiedImageError

from expalign.convert.data.outputs import progress

from ..bad_samples import BadSample, MissingImage
from ..transforms import LoadImageFromFile

CHUNK = 512  # images in flight


@dataclass(frozen=True)
class ImageState:
    """What was found of an image file.

    Args:
        fault: what is wrong, or None.
        digest: of the file's bytes; None where there is no file.
    """

    fault: str | None
    digest: bytes | None


def check_image(path: str, size: tuple[int, int] | None) -> ImageState:
    """Load one image as in training, and hash the file.

    Args:
        path: of the image.
        size: annotated (height, width), or None.
    """
    height, width = size or (None, None)
    try:
        with open(path, 'rb') as file:
            digest = hashlib.blake2b(file.read()).digest()
    except OSError:
        return ImageState('missing', None)
    if not _is_complete(path):
        return ImageState('damaged, incomplete or no image', digest)
    try:
        LoadImageFromFile().transform(dict(img_path=path, height=height, width=width))
    except MissingImage:
        return ImageState('missing', None)
    except BadSample as error:
        other_size = 'pixels, its annotation says' in str(error)
        return ImageState('of another size than annotated' if other_size else
                          'damaged, incomplete or no image', digest)
    return ImageState(None, digest)


def _is_complete(path: str) -> bool:
    """Whether the file can be decoded to its end; OpenCV fills up what is missing of a JPEG."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError,
            Image.DecompressionBombError):
        return False
    return True


def check_images(wanted: Iterable[tuple[str, tuple[int, int] | None]], total: int,
                 workers: int) -> Iterator[tuple[str, ImageState]]:
    """Check (path, size) pairs by several threads, in their order, with progress."""
    wanted = iter(wanted)
    with ThreadPoolExecutor(workers) as pool:
        bar = progress(range(total), 'read images', total)
        while chunk := list(islice(wanted, CHUNK)):
            for (path, _), state in zip(
                    chunk, pool.map(lambda pair: check_image(*pair), chunk), strict=True):
                bar.update()
                yield path, state
        bar.close()
