"""What the frozen image side says about pictures, kept on disk in half precision.

Of every level, side by side, cell by cell: the means of the backbone's first two maps, and the last
hidden map of the class branch; and the decoded boxes. All depend on the image alone: the prompts
that gate the pyramid are fixed (the set's nouns that training may name).

Axes: n pictures, N_s cells of level s, E width of the early maps, C width of the branch.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from expalign.models.layers.max_sigmoid import masked_token_mean
from expalign.utils import finished_file
from expalign.utils.progress import counted

from .layout import SPLITS
from .scene import SMALLEST_SCENE
from .words import HELD_NOUNS

GREY = 114  # around a picture, as in mmyolo's test pipeline
STRIDES = (8, 16, 32)
KEPT_EVERY = 50  # pictures
BATCH = 4


def read_annotations(folder: Path, split: str) -> dict:
    """A split's annotations.

    Raises:
        FileNotFoundError: the folder has no complete set.
    """
    path = folder / 'annotations' / f'{split}.json'
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist: make the set with make_attribute_set.py')
    return json.loads(path.read_text(encoding='utf-8'))


def picture_names(folder: Path, split: str, limit: int | None = None) -> list[str]:
    """The files of a split, each once; with a limit the first ones.

    Raises:
        FileNotFoundError: the folder has no complete set.
        ValueError: it has fewer pictures.
    """
    content = read_annotations(folder, split)
    names = list(dict.fromkeys(image['file_name'] for image in content['images']))
    if limit is not None and not 0 < limit <= len(names):
        raise ValueError(f'{folder} has {len(names)} pictures in {split}, {limit} were asked for')
    return names[:limit]


def input_side(folder: Path, wanted: int | None = None) -> int:
    """Of the square input in pixels: the least multiple of 32 that a set's pictures fit in.

    Args:
        folder: of the set.
        wanted: another one.

    Raises:
        ValueError: ``wanted`` is no multiple of 32, or smaller.
    """
    longest = json.loads((folder / 'settings.json').read_text(encoding='utf-8'))['side']
    least = -(-max(longest, SMALLEST_SCENE) // STRIDES[-1]) * STRIDES[-1]
    if wanted is not None and (wanted < least or wanted % STRIDES[-1]):
        raise ValueError(f'a side of {wanted} pixels: the pictures of {folder} need {least} or '
                         f'more, in steps of {STRIDES[-1]}')
    return wanted or least


def sources(set_folder: Path, weights: Path) -> dict[str, str]:
    """Digests of what maps are made from."""
    files = dict(set=set_folder / 'settings.json', weights=weights)
    return {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}


class Maps:
    """Maps of the pictures of a split.

    Args:
        folder: that :func:`cache` has written.

    Raises:
        FileNotFoundError: it has not, or has not finished.
    """

    def __init__(self, folder: Path) -> None:
        state = folder / 'state.json'
        content = json.loads(state.read_text(encoding='utf-8')) if state.is_file() else {}
        if not content or content['done'] < len(content['names']):
            raise FileNotFoundError(f'{folder} has no complete maps: run attribute_table.py cache')
        self.folder = folder
        self.sources: dict[str, str] = {key: content[key] for key in ('set', 'weights')}
        self.names: list[str] = content['names']
        self.side: int = content['side']
        self.early: int = content['early']
        self._levels = [np.load(folder / f'level{s}.npy', mmap_mode='r') for s in range(3)]
        self._boxes = np.load(folder / 'boxes.npy', mmap_mode='r')

    def check(self, given: dict[str, str]) -> None:
        """Refuse maps that are not of :func:`sources`.

        Raises:
            ValueError: they are of another set, or of other weights.
        """
        for key, name in (('set', 'another set'), ('weights', 'other weights')):
            if self.sources[key] != given[key]:
                raise ValueError(f'{self.folder} has maps of {name}: give the folder that '
                                 'attribute_table.py cache has written from these')

    def features(self, rows: Sequence[int]) -> list[Tensor]:
        """Per level (B, N_s, E + C) float32."""
        return [torch.from_numpy(level[list(rows)]).float() for level in self._levels]

    def boxes(self, rows: Sequence[int]) -> Tensor:
        """Decoded boxes (B, N, 4) xyxy in pixels of the input."""
        return torch.from_numpy(self._boxes[list(rows)])


def guides_of(model: nn.Module, content: dict) -> tuple[Tensor, Tensor]:
    """What gates the pyramid: the bare nouns of training, as the detector encodes them."""
    bare = {row['name'] for row in content['categories']}
    nouns = sorted(name for name in bare if model.known_names.knows(name)
                   and name not in HELD_NOUNS)
    feats, masks = model._encode_text(nouns)
    return masked_token_mean(feats[None], masks[None])


@torch.no_grad()
def cache(model: nn.Module, weights: Path, set_folder: Path, out: Path, split: str,
          limit: int | None, side: int) -> None:
    """Write the maps of a split's pictures; goes on where it was stopped.

    Args:
        model: with its weights, in eval mode.
        weights: their file; others are another cache.
        set_folder: of make_attribute_set.py.
        out: folder to write.
        split: 'train' or 'test'.
        limit: of pictures, the first ones; None: all.
        side: of the square input in pixels.

    Raises:
        ValueError: ``out`` has maps of something else, or a picture is larger than ``side``.
    """
    names = picture_names(set_folder, split, limit)
    guides = guides_of(model, read_annotations(set_folder, SPLITS[0]))
    early = sum(x.shape[1] for x in first_maps(model.backbone, torch.zeros(1, 3, side, side)))
    width = early + model.neck.embed_branches[0][1].conv.out_channels
    state = dict(names=names, side=side, early=early, done=0, **sources(set_folder, weights))
    done = _done(out / 'state.json', state)
    files = _open(out, len(names), side, width, done)
    with counted(f'maps of {split}', len(names), 'picture', done) as advance:
        for first in range(done, len(names), BATCH):
            rows = slice(first, min(first + BATCH, len(names)))
            images = torch.stack([read_picture(set_folder / name, side) for name in names[rows]])
            for file, values in zip(files, look(model, images, guides), strict=True):
                file[rows] = values
            advance(len(images))
            if rows.stop % KEPT_EVERY < BATCH or rows.stop == len(names):
                for file in files:
                    file.flush()
                _write(out / 'state.json', dict(state, done=rows.stop))


def read_picture(path: Path, side: int) -> Tensor:
    """A picture in the middle of a grey square, (3, side, side) RGB in [0, 1]; not resized.

    Raises:
        ValueError: it cannot be read, or is larger.
    """
    image = cv2.imread(str(path))
    if image is None:
        raise ValueError(f'{path} cannot be read as an image')
    height, width = image.shape[:2]
    if max(height, width) > side:
        raise ValueError(f'{path} has {width} x {height} pixels, more than the side of {side}')
    square = np.full((side, side, 3), GREY, np.uint8)
    left, top = offset(height, width, side)
    square[top:top + height, left:left + width] = image
    return torch.from_numpy(square[..., ::-1].copy()).permute(2, 0, 1).float() / 255


def offset(height: int, width: int, side: int) -> tuple[int, int]:
    """Where a picture's corner lies in its square: x and y."""
    return (side - width) // 2, (side - height) // 2


@torch.no_grad()
def look(model: nn.Module, images: Tensor, guides: tuple[Tensor, Tensor]) -> Iterator[np.ndarray]:
    """Per level (B, N_s, E + C), then boxes (B, N, 4), of images (B, 3, side, side)."""
    many = [guide.expand(len(images), *guide.shape[1:]) for guide in guides]
    pyramid, hidden = model.neck.trunk(model.backbone(images), *many)
    early = first_maps(model.backbone, images)
    for x in hidden:
        both = torch.cat([early_cells(early, x.shape[2:]), x], 1)
        yield both.flatten(2).transpose(1, 2).numpy()
    (dists,) = model.bbox_head.head_module.maps(pyramid)
    priors, strides = model.bbox_head._priors(dists)
    flat = torch.cat([x.flatten(2).transpose(1, 2) for x in dists], 1)
    yield model.bbox_head._decode(flat, priors[:, :2], strides[:, 0]).numpy()


@torch.no_grad()
def first_maps(backbone: nn.Module, images: Tensor) -> list[Tensor]:
    """The maps of strides 2 and 4, which a pyramid does not read."""
    first = backbone.stem(images)
    return [first, backbone.stage1(first)]


def early_cells(early: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Means over the cells of a level (B, E, H, W); of the finest one with their neighbours."""
    cells = torch.cat([F.adaptive_avg_pool2d(x, tuple(size)) for x in early], 1)
    if early[1].shape[2] == 2 * size[0]:  # a cell of P3 is smaller than a stripe
        cells = F.avg_pool2d(cells, 3, 1, 1, count_include_pad=False)
    return cells


def _done(path: Path, state: dict) -> int:
    """How many pictures are there already."""
    if not path.is_file():
        return 0
    known = json.loads(path.read_text(encoding='utf-8'))
    if dict(known, done=0) != state:
        raise ValueError(f'{path} is of other pictures or weights: give another folder')
    return known['done']


def _open(out: Path, count: int, side: int, width: int, done: int) -> list[np.memmap]:
    """The files of the levels and of the boxes."""
    out.mkdir(parents=True, exist_ok=True)
    cells = [(side // stride)**2 for stride in STRIDES]
    shapes = [(f'level{level}.npy', np.float16, (count, number, width))
              for level, number in enumerate(cells)]
    shapes.append(('boxes.npy', np.float32, (count, sum(cells), 4)))
    return [np.lib.format.open_memmap(out / name, 'r+' if done else 'w+', dtype, shape)
            for name, dtype, shape in shapes]


def _write(path: Path, state: dict) -> None:
    with finished_file(path) as file:
        file.write_text(json.dumps(state), encoding='utf-8')
