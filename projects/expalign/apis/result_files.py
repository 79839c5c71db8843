"""Where the results of an image are written."""

import re
from pathlib import Path

import numpy as np

from expalign.utils.file_kinds import is_address
from expalign.utils.picture_files import LAST_SUFFIX, PICTURE_SUFFIXES

# Letters of addresses that names of files have not, on one system or another.
RESERVED = re.compile(r'[<>:"|?*\x00-\x1f/\\]')


def result_stem(image: str | np.ndarray | None, number: int) -> str:
    """The stem of an image's result files: its own, or its number for an array.

    Of an address it has no letters that a system forbids in names.
    """
    if not isinstance(image, str):
        return f'{number:08d}'
    return RESERVED.sub('_', Path(image).stem) if is_address(image) else Path(image).stem


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
