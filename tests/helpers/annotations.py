"""Small annotation files and folders of images for the tests of converters."""

import json
from pathlib import Path

import cv2
import numpy as np


def coco_content(images: list[dict], annotations: list[dict], names: list[str]) -> dict:
    """A file in COCO's layout; category ids are 10, 20, ... so that none is a label."""
    return {
        'images': [{'width': 100, 'height': 80, **image} for image in images],
        'annotations': [{'id': i, 'iscrowd': 0, **a} for i, a in enumerate(annotations, 1)],
        'categories': [{'id': 10 * i, 'name': name} for i, name in enumerate(names, 1)],
    }


def write_json(path: Path, content: object) -> Path:
    """Write ``content``; returns ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


def read_lines(path: Path) -> list[dict]:
    """The records of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def write_image(path: Path, width: int = 100, height: int = 80, seed: int = 0) -> Path:
    """Write an image of noise; different seeds give different files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    cv2.imwrite(str(path), noise)
    return path


def write_yolo_folder(root: Path, outlines: bool = False, images: int = 2) -> Path:
    """A YOLO folder with ``images`` train and as many val images, of two classes.

    Label rows are boxes (0.25 to 0.75 of both sides) or, with ``outlines``, the same as polygons.
    """
    row = '0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75' if outlines else '0.5 0.5 0.5 0.5'
    for place, split in enumerate(('train', 'val')):
        for i in range(images):
            write_image(root / 'images' / split / f'{i}.jpg', seed=100 * place + i)
            label = root / 'labels' / split / f'{i}.txt'
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(f'{i % 2} {row}\n')
    (root / 'data.yaml').write_text(
        'train: images/train\nval: images/val\nnames: [red cup, blue plate]\n')
    return root
