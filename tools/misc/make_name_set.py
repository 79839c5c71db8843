"""coco-mini as a set of attribute_table.py: ``make_name_set.py OUT``.

Photographs at 320 px, asked for names that are there and for others that are not. A photograph of
train has two lists of twelve absent names, one of val has twenty, all in the split 'seen'. The
folder of the data is the one that EXPALIGN_DATA names.
"""

import json
import os
import random
import sys
from collections import defaultdict
from pathlib import Path

import cv2

from expalign.utils import run_command

SIDE = 320
ABSENT = dict(train=12, test=20)
LISTS = dict(train=2, test=1)


def photograph(source: Path, target: Path) -> tuple[float, int, int]:
    """Write a smaller one; by how much, and its height and width."""
    image = cv2.imread(str(source))
    factor = SIDE / max(image.shape[:2])
    height, width = (max(1, round(factor * side)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(target), small, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return factor, height, width


def annotation(row: dict, factor: float, number: int, image: int) -> dict:
    """Of the smaller photograph."""
    made = dict(id=number, image_id=image, category_id=row['category_id'],
                bbox=[value * factor for value in row['bbox']])
    outline = row.get('segmentation')
    if isinstance(outline, list) and outline:
        made['segmentation'] = [
            [value * factor for value in part] for part in outline if len(part) >= 6]
    return made


def write_split(root: Path, out: Path, split: str, source: str) -> None:
    """Photographs and annotations of one half."""
    content = json.loads((root / f'annotations/instances_{source}.json').read_text('utf-8'))
    rng = random.Random(0)
    (out / split).mkdir(parents=True, exist_ok=True)
    names = [dict(id=row['id'], name=row['name']) for row in content['categories']]
    rows_of = defaultdict(list)
    for row in content['annotations']:
        rows_of[row['image_id']].append(row)
    images, annotations = [], []
    for record in sorted(content['images'], key=lambda row: row['id']):
        name = f'{split}/{record["id"]:012d}.jpg'
        factor, height, width = photograph(root / source / record['file_name'], out / name)
        rows = rows_of[record['id']]
        crowd = {row['category_id'] for row in rows if row.get('iscrowd')}
        there = sorted({row['category_id'] for row in rows} - crowd)
        absent = sorted({row['id'] for row in names} - set(there) - crowd)
        for _ in range(LISTS[split]):
            others = rng.sample(absent, ABSENT[split])
            image = dict(id=len(images) + 1, file_name=name, height=height, width=width,
                         neg_category_ids=others)
            if split == 'test':
                image['asked'] = [
                    dict(category_id=key, split='seen', rival=None) for key in there + others]
            images.append(image)
            for row in rows:
                if row['category_id'] in there and not row.get('iscrowd'):
                    annotations.append(annotation(row, factor, len(annotations) + 1, image['id']))
    (out / 'annotations').mkdir(exist_ok=True)
    (out / f'annotations/{split}.json').write_text(json.dumps(dict(
        images=images, annotations=annotations, categories=names)), 'utf-8')


def main() -> None:
    """Write both halves."""
    root, out = Path(os.environ['EXPALIGN_DATA'], 'coco-mini'), Path(sys.argv[1])
    for split, source in dict(train='train2017', test='val2017').items():
        write_split(root, out, split, source)
    (out / 'settings.json').write_text(json.dumps(
        dict(side=SIDE, seed=0, source='coco-mini')), 'utf-8')


if __name__ == '__main__':
    run_command(main)
