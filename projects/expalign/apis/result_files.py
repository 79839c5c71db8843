"""Where the results of an image are written, and how a picture is."""

from pathlib import Path

import cv2
import numpy as np

from expalign.utils import finished_file

# Formats for colour pictures of any size that OpenCV writes. Results in others become JPEG.
PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
# Where that fails, as for sides that a format cannot have, this one takes the picture.
LAST_SUFFIX = '.png'


def result_stem(image: str | np.ndarray | None, number: int) -> str:
    """The stem of an image's result files: its own, or its number for an array."""
    return Path(image).stem if isinstance(image, str) else f'{number:08d}'


def picture_file(out_dir: str | Path, image: str | np.ndarray | None, number: int) -> Path:
    """The file for the picture of an image: ``OUT_DIR/vis/NAME`` with a suffix to write."""
    suffix = Path(image).suffix if isinstance(image, str) else ''
    suffix = suffix if suffix.lower() in PICTURE_SUFFIXES else '.jpg'
    return Path(out_dir, 'vis', result_stem(image, number) + suffix)


def prediction_file(out_dir: str | Path, image: str | np.ndarray | None, number: int) -> Path:
    """The file for the predictions of an image."""
    return Path(out_dir, 'preds', result_stem(image, number) + '.json')


def explanation_stem(out_dir: str | Path, image: str | np.ndarray | None, number: int) -> Path:
    """The files for the explanation of an image, without ``.png`` and ``.npz``."""
    return Path(out_dir, 'explain', result_stem(image, number))


def result_files(out_dir: str | Path, image: str) -> list[Path]:
    """All files that the results of an image may be written to."""
    picture = picture_file(out_dir, image, 0)
    explained = explanation_stem(out_dir, image, 0)
    return [picture, picture.with_suffix(LAST_SUFFIX), prediction_file(out_dir, image, 0),
            *(explained.with_name(explained.name + suffix) for suffix in ('.png', '.npz'))]


def write_picture(path: str | Path, picture: np.ndarray) -> Path:
    """Write a picture (H, W, 3) uint8 RGB; it appears complete.

    Returns:
        The file: ``path``, or with the suffix of PNG where its own format cannot hold the picture.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    for name in (path, path.with_suffix(LAST_SUFFIX)):
        if content := _encode(picture, name.suffix):
            with finished_file(name) as temporary:
                temporary.write_bytes(content)
            return name
    raise OSError(f'cannot write {path}: OpenCV cannot encode a picture of {picture.shape}')


def _encode(picture: np.ndarray, suffix: str) -> bytes | None:
    try:
        done, content = cv2.imencode(suffix, np.ascontiguousarray(picture[..., ::-1]))
    except cv2.error:
        return None
    return content.tobytes() if done else None
