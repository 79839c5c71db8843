"""Checks of image files: that they can be loaded as training loads them, and their content."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from expalign.datasets.bad_samples import BadSample, ImageOfOtherSize, MissingImage
from expalign.datasets.transforms import LoadImageFromFile
from expalign.utils.image_files import read_content
from expalign.utils.progress import progress

CHUNK = 512  # images in flight


@dataclass(frozen=True)
class ImageState:
    """What was found of an image file.

    Args:
        fault: what is wrong, or None.
        detail: of the single case.
        digest: of the file's bytes; None where there is no file.
    """

    fault: str | None
    detail: str = ''
    digest: bytes | None = None


def check_image(path: str, size: tuple[int, int]) -> ImageState:
    """Load one image as in training, and hash the file.

    Args:
        path: of the image, or its address.
        size: annotated (height, width).
    """
    digest = None
    try:
        if '://' not in path:
            digest = hashlib.blake2b(read_content(path)).digest()
        LoadImageFromFile().transform(dict(img_path=path, height=size[0], width=size[1]))
    except (FileNotFoundError, MissingImage):
        return ImageState('missing', digest=digest)
    except ImageOfOtherSize as error:
        return ImageState('of another size than annotated', f': {error}', digest)
    except (BadSample, OSError) as error:
        return ImageState('damaged, incomplete or no image', f': {error}', digest)
    return ImageState(None, digest=digest)


def check_images(wanted: Iterable[tuple[str, tuple[int, int]]], total: int,
                 workers: int) -> Iterator[ImageState]:
    """Check (path, size) pairs by several threads, in their order, with progress."""
    wanted = iter(wanted)
    with ThreadPoolExecutor(workers) as pool:
        bar = progress(range(total), 'read images', total)
        while chunk := list(islice(wanted, CHUNK)):
            for state in pool.map(lambda pair: check_image(*pair), chunk):
                bar.update()
                yield state
        bar.close()
