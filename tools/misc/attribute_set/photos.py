"""Photographs with instance masks, as the attribute set starts from them."""

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from pycocotools import mask as rle

KEPT_PHOTOGRAPHS = 512
SMALLEST = 10  # pixels, the longer side of a box that is asked for
PAINTABLE_SHARE = 0.012  # of the photograph, the largest instance of a class that is painted
MOST_INSTANCES = 8  # of a class that is painted


class Instances(NamedTuple):
    """All instances of a class in a photograph.

    Attributes:
        noun: the class.
        masks: (H, W) bool of each; None where the file has none for an instance, or a crowd.
        boxes: (n, 4) xyxy in pixels of the photograph as it is used.
        whole: whether every instance has a mask, and none is a crowd.
    """

    noun: str
    masks: list[np.ndarray | None]
    boxes: np.ndarray
    whole: bool

    def paintable(self) -> bool:
        """Whether an attribute can be given to all of them, and one is large enough to see it."""
        if not self.whole or len(self.masks) > MOST_INSTANCES:
            return False
        return max(mask.mean() for mask in self.masks) >= PAINTABLE_SHARE


class Photograph(NamedTuple):
    """An image (H, W, 3) BGR and its classes; a class that is absent has no row."""

    image: np.ndarray
    classes: list[Instances]


class Photographs:
    """The photographs of a COCO file, made smaller; in the order of their ids.

    Args:
        ann_file: COCO annotations with polygons or run-length encodings.
        folder: of the image files.
        side: pixels of the longer side.

    Raises:
        ValueError: the file has no image, or an image cannot be read.
    """

    def __init__(self, ann_file: str | Path, folder: str | Path, side: int) -> None:
        content = json.loads(Path(ann_file).read_text(encoding='utf-8'))
        self.folder, self.side = Path(folder), side
        self.nouns = {row['id']: row['name'] for row in content['categories']}
        self.images = sorted(content['images'], key=lambda row: row['id'])
        if not self.images:
            raise ValueError(f'{ann_file} has no images')
        self.rows = defaultdict(list)
        for row in content['annotations']:
            self.rows[row['image_id']].append(row)
        self.load = lru_cache(KEPT_PHOTOGRAPHS)(self._load)

    def __len__(self) -> int:
        return len(self.images)

    def _load(self, index: int) -> Photograph:
        record = self.images[index]
        path = self.folder / record['file_name']
        image = cv2.imread(str(path))
        if image is None:
            raise ValueError(f'{path} cannot be read as an image')
        factor = self.side / max(image.shape[:2])
        size = [max(1, round(factor * length)) for length in image.shape[:2]]
        small = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        by_noun = defaultdict(list)
        for row in self.rows[record['id']]:
            by_noun[self.nouns[row['category_id']]].append(row)
        classes = [_instances(noun, rows, record, size) for noun, rows in sorted(by_noun.items())]
        return Photograph(small, classes)


def _instances(noun: str, rows: Sequence[dict], record: dict, size: Sequence[int]) -> Instances:
    """Masks and boxes of a class, in pixels of the smaller photograph."""
    masks = [_mask(row, record, size) for row in rows]
    scale = np.array([size[1] / record['width'], size[0] / record['height']] * 2)
    boxes = np.array([row['bbox'] for row in rows], np.float64)
    boxes[:, 2:] += boxes[:, :2]
    return Instances(noun, masks, boxes * scale, all(mask is not None for mask in masks))


def _mask(row: dict, record: dict, size: Sequence[int]) -> np.ndarray | None:
    outline = row.get('segmentation')
    if row.get('iscrowd') or not outline:
        return None
    height, width = record['height'], record['width']
    codes = outline
    if isinstance(outline, list):
        codes = rle.merge(rle.frPyObjects(outline, height, width))
    elif isinstance(outline['counts'], list):
        codes = rle.frPyObjects(outline, height, width)
    mask = cv2.resize(rle.decode(codes).astype(np.float32), (size[1], size[0]),
                      interpolation=cv2.INTER_AREA)
    covered = mask > 0.5 if (mask > 0.5).any() else mask > 0
    return covered if covered.any() else None


def usable_nouns(photographs: Sequence[Photographs]) -> list[str]:
    """The classes of the files, sorted."""
    return sorted({noun for source in photographs for noun in source.nouns.values()})
