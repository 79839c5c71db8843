"""A folder with an exported model: which of its ONNX files is what."""

import json
from pathlib import Path

from .sessions import metadata_of
from .settings import METADATA_KEY, DetectorSettings, TextSettings


def files_of_folder(folder: str | Path) -> tuple[Path, Path | None]:
    """The detector of a folder and its text side, None where there is none.

    Files have any names; what is written inside of them says what they are.

    Raises:
        FileNotFoundError: there is no ONNX file.
        ValueError: one is of another origin, or there is not one detector and at most one text
            side.
    """
    files = sorted(Path(folder).glob('*.onnx'))
    if not files:
        raise FileNotFoundError(f'the folder {folder} has no ONNX file (*.onnx)')
    kinds = {path: _kind(path) for path in files}
    detectors = [path for path in files if kinds[path] is DetectorSettings]
    text_sides = [path for path in files if kinds[path] is TextSettings]
    for paths, name in ((detectors, 'detectors'), (text_sides, 'text sides')):
        if len(paths) > 1:
            raise ValueError(f'the folder {folder} has {len(paths)} {name}, '
                             f'{", ".join(path.name for path in paths)}: name the file')
    if not detectors:
        raise ValueError(f'the folder {folder} has no detector, only the text side '
                         f'{text_sides[0].name}')
    return detectors[0], text_sides[0] if text_sides else None


def _kind(path: Path) -> type:
    """By what only one of the kinds has; whether the rest is right is checked when it is opened."""
    written = metadata_of(path).get(METADATA_KEY, '')
    try:
        record = json.loads(written)
    except (ValueError, RecursionError):
        record = {}
    for kind, mark in ((DetectorSettings, 'image_size'), (TextSettings, 'tokenizer')):
        if isinstance(record, dict) and mark in record:
            return kind
    raise ValueError(f'{path} is neither a detector nor a text side that '
                     'tools/deploy/export_onnx.py wrote')
