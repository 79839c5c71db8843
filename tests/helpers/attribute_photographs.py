"""Two photographs with masks, and the attribute set that is made of them."""

import json
from pathlib import Path

import cv2
import numpy as np
from attribute_set.layout import Settings


def write_photographs(folder: Path) -> Settings:
    """A chair and a dog, whole rectangles, on noise; settings of a small set of them."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in (1, 2):
        cv2.imwrite(str(folder / f'{number}.png'), rng.integers(60, 200, (120, 200, 3), np.uint8))
        images.append(dict(id=number, file_name=f'{number}.png', width=200, height=120))
        for place, category in ((10, 1), (110, 2)):
            x, y, w, h = place, 20 * number, 60, 50
            annotations.append(dict(
                id=len(annotations) + 1, image_id=number, category_id=category, bbox=[x, y, w, h],
                area=w * h, iscrowd=0,
                segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]]))
    content = dict(images=images, annotations=annotations, categories=[
        dict(id=1, name='chair'), dict(id=2, name='dog')])
    file = folder / 'coco.json'
    file.write_text(json.dumps(content))
    pair = str(file), str(folder)
    return Settings(*pair, *pair, train=6, test=5, side=160, seed=3)
