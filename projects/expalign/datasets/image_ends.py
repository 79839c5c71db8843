"""A cheap look at all images of a data set before a run: are they there, do they have their end?"""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from expalign.utils.file_kinds import special_kind
from expalign.utils.image_files import JPEG, PNG, UnreadableImage, decode, read_content

END = 12  # bytes: a PNG file's last part
CHUNK = 2048  # files between two looks at the clock


def image_fault(path: str) -> str | None:
    """What is wrong with an image file, by its first and last bytes; None if nothing is.

    A file whose last bytes do not tell is decoded: a JPEG file may have more behind its end.
    """
    kind = special_kind(path)
    if kind is not None:
        return f'it is {kind}'
    try:
        with open(path, 'rb') as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(END)
            file.seek(max(size - END, 0))
            tail = file.read(END)
        if _has_end(head, tail, size):
            return None
        decode(read_content(path))
    except FileNotFoundError:
        return 'it is missing'
    except UnreadableImage as error:
        return str(error)
    except (OSError, ValueError) as error:
        return getattr(error, 'strerror', None) or str(error)
    return None


def _has_end(head: bytes, tail: bytes, size: int) -> bool:
    """Whether the last bytes are those that a whole file of its format has."""
    if head.startswith(JPEG):
        return tail.endswith(b'\xff\xd9')
    if head.startswith(PNG):
        return tail[4:8] == b'IEND'
    if head.startswith(b'RIFF') and head[8:12] == b'WEBP':
        return int.from_bytes(head[4:8], 'little') + 8 <= size
    if head.startswith(b'BM'):
        return 0 < int.from_bytes(head[2:6], 'little') <= size
    return False


def image_faults(paths: Iterable[str], seconds: float,
                 workers: int = 8) -> Iterator[tuple[str, str | None]]:
    """Each path with its fault or None, by several threads, until the time is over."""
    end = time.monotonic() + seconds
    paths = iter(paths)
    with ThreadPoolExecutor(workers) as pool:
        while time.monotonic() < end and (chunk := list(islice(paths, CHUNK))):
            yield from zip(chunk, pool.map(image_fault, chunk), strict=True)


def leaf_datasets(dataset) -> Iterator:
    """The data sets inside wrappers and mixtures."""
    # mmengine's ConcatDataset has `datasets`, its other wrappers `dataset`.
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner == [None]:
        yield dataset
    else:
        for child in inner:
            yield from leaf_datasets(child)


def image_paths(dataset) -> Iterator[str]:
    """The distinct local image files of a data set, in its order."""
    seen = set()
    for leaf in leaf_datasets(dataset):
        if not hasattr(leaf, 'get_data_info'):
            continue
        for index in range(len(leaf)):
            path = leaf.get_data_info(index).get('img_path')
            if isinstance(path, str) and '://' not in path and path not in seen:
                seen.add(path)
                yield path
