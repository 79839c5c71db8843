"""Size of an image file as the data sets load it."""

from pathlib import Path

from expalign.limits import IMAGE_PIXELS, LimitExceeded
from expalign.utils.file_kinds import special_kind
from expalign.utils.image_files import decode, read_content, read_head


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) in pixels after the turn that the file's EXIF asks for.

    Reads the head only, of usual formats.

    Raises:
        OSError: the file is missing, empty, a pipe or device, too large, or no image that training
            reads; the message names it.
    """
    try:
        size = _size(path)
        IMAGE_PIXELS.check(size[0] * size[1], f'it is {size[0]} x {size[1]}')
    except FileNotFoundError:
        raise
    except (OSError, LimitExceeded) as error:
        raise OSError(f"cannot read image '{path}': {error}") from error
    return size


def _size(path: str | Path) -> tuple[int, int]:
    if special_kind(path) is None:
        with open(path, 'rb') as file:
            head = read_head(file)
        if head is not None:
            return head.size
    return decode(read_content(path)).shape[1::-1]
