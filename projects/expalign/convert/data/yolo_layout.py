"""Where a folder in YOLO's layout keeps its images, labels and class names."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

SPLITS = ('train', 'val', 'test')
IMAGE_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'}
YAML_KEYS = {'train': ('train',), 'val': ('val', 'valid'), 'test': ('test',)}


@dataclass
class YoloLayout:
    """Class names by number, and for each split its folder and image files."""

    names: dict[int, str]
    splits: dict[str, tuple[Path, list[Path]]]


def read_layout(source: str | Path, names: list[str] | None = None) -> YoloLayout:
    """Find the parts of a YOLO data set.

    Args:
        source: a ``data.yaml`` (``path``, ``train``, ``val``, ``test``, ``names``), or a folder
            that has one, or a folder with ``images/{train,val,test}`` and ``labels/...``, or with
            ``{train,valid,test}/images`` and ``.../labels``.
        names: class names by number, for a folder without a yaml file or ``classes.txt``.

    Raises:
        FileNotFoundError: a folder or list of images that is named does not exist.
        ValueError: no names, no training images, or a yaml file of another kind.
    """
    source = Path(source)
    root = source if source.is_dir() else source.parent
    found = [source] if source.is_file() else sorted(source.glob('*.y*ml'))
    if not source.exists():
        raise FileNotFoundError(f"'{source}' does not exist")
    if len(found) > 1:
        raise ValueError(f"'{source}' has several yaml files ({', '.join(p.name for p in found)}): "
                         'name one of them')
    content = _read_yaml(found[0]) if found else {}
    if names is None:
        names = content.get('names') or _names_file(root)
    splits = _splits_of_yaml(content, found[0]) if found else _splits_of_folder(root)
    if 'train' not in splits:
        raise ValueError(
            f"'{source}' has no training images: expected 'train' in data.yaml, or the folder "
            'images/train or train/images')
    return YoloLayout(_numbered(names, source), splits)


def split_off_val(layout: YoloLayout, share: float) -> None:
    """Make a share of the training images the validation split, where there is none.

    The choice goes by the images' names, so that it is the same on every run.

    Raises:
        ValueError: ``share`` leaves one of the two without an image, or there is a validation
            split already.
    """
    if 'val' in layout.splits:
        raise ValueError('--val-share: the data set has a validation split already')
    folder, files = layout.splits['train']
    number = round(share * len(files))
    if not 0 < number < len(files):
        raise ValueError(f'--val-share {share:g}: {number} of {len(files)} images would be for '
                         'validation; there must be some for both')
    order = sorted(files, key=lambda file: hashlib.sha256(
        file.relative_to(folder).as_posix().encode()).digest())
    layout.splits['train'] = folder, sorted(order[number:])
    layout.splits['val'] = folder, sorted(order[:number])


def label_file(image: Path) -> Path:
    """The label file of an image: the last folder ``images`` of its path becomes ``labels``."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == 'images':
            parts[index] = 'labels'
            break
    return Path(*parts).with_suffix('.txt')


def _read_yaml(path: Path) -> dict:
    content = yaml.safe_load(path.read_text(encoding='utf-8'))
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' must hold keys such as 'train' and 'names'")
    return content


def _names_file(root: Path) -> list[str] | None:
    path = root / 'classes.txt'
    return path.read_text(encoding='utf-8').splitlines() if path.is_file() else None


def _numbered(names: object, source: Path) -> dict[int, str]:
    if not names:
        raise ValueError(f"'{source}' has no class names: write them as 'names' into data.yaml, "
                         'one a line into classes.txt, or give --names')
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    numbered = {int(number): str(name).strip() for number, name in pairs if str(name).strip()}
    repeated = sorted({n for n in numbered.values() if list(numbered.values()).count(n) > 1})
    if repeated:
        raise ValueError(f"'{source}' has the class name {', '.join(map(repr, repeated))} for more "
                         'than one number: names are the prompts and must differ')
    return numbered


def _splits_of_yaml(content: dict, path: Path) -> dict:
    root = path.parent / str(content.get('path') or '.')
    if not root.is_dir():
        # Published files often name a folder of the machine where they were written.
        root = path.parent
    splits = {}
    for split, keys in YAML_KEYS.items():
        value = next((content[key] for key in keys if content.get(key)), None)
        if value is None:
            continue
        places = [_place(root, str(v)) for v in (value if isinstance(value, list) else [value])]
        splits[split] = _images_of(places)
    return splits


def _place(root: Path, name: str) -> Path:
    """The folder or list of a split; some exporters count '../' from a folder that is not there."""
    for candidate in (root / name, root / name.removeprefix('../')):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"'{root / name}', named in the yaml file, does not exist: check "
                            "'path' and the splits there")


def _splits_of_folder(root: Path) -> dict:
    splits = {}
    for split, keys in YAML_KEYS.items():
        for key in keys:
            for folder in (root / 'images' / key, root / key / 'images'):
                if folder.is_dir():
                    splits[split] = _images_of([folder])
    return splits


def _images_of(places: list[Path]) -> tuple[Path, list[Path]]:
    """The folder that holds all images of a split, and their sorted absolute paths."""
    files, folders = [], []
    for place in places:
        if place.is_dir():
            folders.append(place.resolve())
            files += _images_below(place.resolve())
        else:
            listed = [(place.parent / line.strip()).resolve()
                      for line in place.read_text(encoding='utf-8').splitlines() if line.strip()]
            folders += {file.parent for file in listed}
            files += listed
    if not files:
        raise ValueError(f"{', '.join(map(str, places))}: no images "
                         f"({', '.join(sorted(IMAGE_SUFFIXES))})")
    return Path(os.path.commonpath(folders)), sorted(set(files))


def _images_below(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob('*') if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
