"""Where a data set in YOLO's layout keeps its images, labels and class names."""

import hashlib
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from expalign.utils.file_kinds import special_kind
from expalign.utils.tally import Tally

from .yolo_images import IMAGE_SUFFIXES, find_place, images_below, list_images
from .yolo_names import class_names
from .yolo_yaml import is_absent, is_yaml, read_description

SPLITS = {'train': ('train',), 'val': ('val', 'valid', 'validation'), 'test': ('test',)}
FOLDERS = {'train': ('train', 'train2017'), 'val': ('val', 'valid', 'validation', 'val2017'),
           'test': ('test', 'test2017')}
MAX_PATH = 300  # letters of a path in a message


@dataclass
class YoloSplit:
    """The images of a split.

    Args:
        folder: that holds them all, and that their names start from.
        files: absolute paths, sorted.
        roots: the folders that were searched; none of a split that lists name.
    """

    folder: Path
    files: list[Path]
    roots: list[Path] = field(default_factory=list)


@dataclass
class YoloLayout:
    """What was found.

    Args:
        names: class names by number.
        splits: by ``'train'``, ``'val'`` and ``'test'``.
        keypoints: how many numbers a row has behind its box (pose labels).
        notes: sentences about what is not there or was taken to be meant.
        tallies: files that are not used, by split.
    """

    names: dict[int, str]
    splits: dict[str, YoloSplit]
    keypoints: int = 0
    notes: list[str] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))


def read_layout(source: str | Path, names: list[str] | None = None) -> YoloLayout:
    """Find the parts of a YOLO data set.

    Args:
        source: a ``data.yaml`` (``path``, ``train``, ``val``, ``test``, ``names``), darknet's
            ``obj.data``, a folder that has one of them, or a folder with images as
            ``images/{train,val,test}``, ``{train,valid,test}/images``, ``{train,valid,test}``,
            ``images`` or the folder itself.
        names: class names by number, instead of those of the data set.

    Raises:
        FileNotFoundError: ``source``, the training images or a file of names do not exist.
        ValueError: no names, no training images, or a file of another kind.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"'{source}' does not exist")
    described = _description(source)
    root = source if source.is_dir() else source.parent
    content = read_description(described) if described else {}
    layout = YoloLayout(class_names(content, root, described or source, names), {},
                        _keypoints(content, described))
    if described:
        _read_splits(layout, content, described)
    else:
        _find_splits(layout, root)
    if 'train' not in layout.splits:
        raise ValueError(
            f"'{described or source}' has no training images: expected 'train' in data.yaml, or "
            'images in images/train, train/images, train, images or the folder itself')
    return layout


def split_off_val(layout: YoloLayout, share: float) -> None:
    """Make a share of the training images the validation split, where there is none.

    The choice goes by the images' names, so that it is the same on every run.

    Raises:
        ValueError: ``share`` leaves one of the two without an image, or there is a validation
            split already.
    """
    if 'val' in layout.splits:
        raise ValueError('--val-share: the data set has a validation split already')
    train = layout.splits['train']
    number = round(share * len(train.files))
    if not 0 < number < len(train.files):
        raise ValueError(f'--val-share {share:g}: {number} of {len(train.files)} images would be '
                         'for validation; there must be some for both')
    order = sorted(train.files, key=lambda file: hashlib.sha256(
        os.fsencode(file.relative_to(train.folder).as_posix())).digest())
    train.files = sorted(order[number:])
    layout.splits['val'] = YoloSplit(train.folder, sorted(order[:number]), train.roots)


def _description(source: Path) -> Path | None:
    """The file that describes the data set, if there is one."""
    if not source.is_dir():
        if special_kind(source):
            raise ValueError(f"'{source}' is {special_kind(source)}: give data.yaml, or a folder")
        return source
    for suits in (is_yaml, lambda path: path.suffix == '.data' and path.name[0] != '.'):
        found = sorted(path for path in source.iterdir() if suits(path))
        if len(found) > 1:
            raise ValueError(f"'{source}' has several descriptions "
                             f'({", ".join(p.name for p in found)}): name one of them')
        if found:
            return found[0]
    return None


def _keypoints(content: dict, path: Path | None) -> int:
    """The numbers of the points of pose labels: ``kpt_shape: [17, 3]``."""
    shape = content.get('kpt_shape')
    if is_absent(shape):
        return 0
    if not (isinstance(shape, list) and len(shape) == 2 and all(
            isinstance(n, str) and n.isdigit() and len(n) < 6 for n in shape)):
        raise ValueError(f"'{path}': 'kpt_shape' must be two whole numbers, such as [17, 3]")
    return int(shape[0]) * int(shape[1])


def _read_splits(layout: YoloLayout, content: dict, path: Path) -> None:
    root = _root(layout, content.get('path'), path)
    for split, keys in SPLITS.items():
        value = next((content[key] for key in keys if not is_absent(content.get(key))), None)
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(v, str) and v for v in values):
            raise ValueError(f"'{path}': {split!r} must be a folder, a list of images or several "
                             'of these')
        places = {name: find_place(root, name) for name in values}
        _add_split(layout, split, [place for place in places.values() if place], root)
        for name in (name for name, place in places.items() if place is None):
            _note_missing(layout, split, f"'{_cut(root / name)}', named in '{path}',")


def _cut(path: Path) -> str:
    text = str(path)
    return text if len(text) <= MAX_PATH else f'{text[:MAX_PATH]}...'


def _note_missing(layout: YoloLayout, split: str, what: str) -> None:
    """Validation and test splits are named by exporters that did not fill them."""
    if split == 'train':
        raise FileNotFoundError(f"{what} does not exist: check 'path' and the splits there")
    layout.notes.append(f'{split}: {what} does not exist and is left out')


def _root(layout: YoloLayout, value: object, path: Path) -> Path:
    folder = Path(os.path.abspath(path.parent))
    if is_absent(value):
        return folder
    if not isinstance(value, str):
        raise ValueError(f"'{path}': 'path' must be a folder")
    root = folder / value
    if os.path.isdir(root):  # not Path's, to which a name can be too long
        return root
    # Published files often name a folder of the machine where they were written.
    layout.notes.append(
        f"path: '{_cut(root)}' of '{path}' is not there; splits are taken from '{folder}'")
    return folder


def _find_splits(layout: YoloLayout, root: Path) -> None:
    root = Path(os.path.abspath(root))
    for split, keys in FOLDERS.items():
        places = [folder for key in keys
                  for folder in (root / 'images' / key, root / key / 'images', root / key)
                  if folder.is_dir()]
        _add_split(layout, split, places[:1], root)
    if not layout.splits:
        _add_split(layout, 'train', [p for p in (root / 'images', root) if p.is_dir()][:1], root)


def _add_split(layout: YoloLayout, split: str, places: list[Path], root: Path) -> None:
    files, folders, tally = [], [], layout.tallies[split]
    for place in places:
        found = [*images_below(place, tally)] if place.is_dir() else list_images(place, root, tally)
        folders += [place] if place.is_dir() else sorted({file.parent for file in found})
        files += found
    if files:
        layout.splits[split] = YoloSplit(Path(os.path.commonpath(folders)), sorted(set(files)),
                                         [place for place in places if place.is_dir()])
    elif places:
        listed = ', '.join(f"'{place}'" for place in places)
        message = f'{listed}: no images ({", ".join(sorted(IMAGE_SUFFIXES))}, ...)'
        if split == 'train':
            raise ValueError(tally.report(message) if tally else message)
        layout.notes.append(f'{split}: {message}; it is left out')
