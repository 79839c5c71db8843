"""Small data sets in LVIS format, and predictions for any of them, from a seed.

Predictions are noisy copies of the truth plus false positives of every kind that the protocol
distinguishes: classes that are present, surely absent, not exhaustively annotated, or unknown.
"""

import json
from pathlib import Path

import numpy as np
import pycocotools.mask as coco_mask
import torch

import expalign  # noqa: F401  (the lvis package needs the compatibility layer)


def lvis_content(num_images: int = 12, num_classes: int = 9, seed: int = 0) -> dict:
    """A data set with empty images, empty classes, and boxes of all three sizes.

    Ids are neither contiguous nor in order. The last class has no instance.
    """
    rng = np.random.default_rng(seed)
    categories = [
        dict(id=3 * k + 2, name=f'class_{k}', synonyms=[f'class_{k}'], frequency='rcf'[k % 3])
        for k in range(num_classes)]
    rng.shuffle(categories)
    images, annotations = [], []
    for index in range(num_images):
        kinds = rng.permutation(num_classes - 1)
        present, absent = kinds[:3], [*kinds[3:5], num_classes - 1]
        if index % 5 == 4:
            present = []
        image = dict(
            id=1000 - 7 * index, width=160, height=120, file_name=f'{index:012d}.jpg',
            coco_url=f'http://images.cocodataset.org/val2017/{index:012d}.jpg',
            neg_category_ids=[int(3 * k + 2) for k in absent],
            not_exhaustive_category_ids=[int(3 * k + 2) for k in present[:index % 2]])
        images.append(image)
        for k in present:
            for _ in range(rng.integers(1, 4)):
                w, h = rng.choice([12, 50, 110], p=[.4, .4, .2], size=2).tolist()
                x, y = rng.integers(0, 160 - w), rng.integers(0, 120 - h)
                corners = [x, y, x + w, y, x + w, y + h, x, y + h]
                annotations.append(dict(
                    id=len(annotations) + 1, image_id=image['id'], category_id=int(3 * k + 2),
                    bbox=[float(v) for v in (x, y, w, h)], area=float(w * h),
                    segmentation=[[float(v) for v in corners]]))
    return dict(images=images, annotations=annotations, categories=categories)


def write_lvis(path: str | Path, **kwargs) -> str:
    """Write :func:`lvis_content` to a file and return its path."""
    Path(path).write_text(json.dumps(lvis_content(**kwargs)))
    return str(path)


def class_names(content: dict) -> tuple[str, ...]:
    """The classes in an order that is not the file's."""
    return tuple(sorted((c['name'] for c in content['categories']), reverse=True))


def predictions(content: dict, seed: int = 0, extra: int = 30, masks: bool = True,
                noise: float = 0.06) -> list[dict]:
    """What a metric is given: a sample an image, in the file's order.

    Args:
        content: a data set in LVIS format.
        seed: of everything random.
        extra: false positives an image; every fourth image is without any prediction.
        masks: whether predictions have masks, as RLE.
        noise: standard deviation of the corners, in widths and heights; 0 for exact copies
            alone, each with a score of its own.
    """
    rng = np.random.default_rng(seed)
    names = class_names(content)
    labels_of = {c['id']: names.index(c['name']) for c in content['categories']}
    by_image = {image['id']: [] for image in content['images']}
    for annotation in content['annotations']:
        by_image[annotation['image_id']].append(annotation)
    samples = []
    for index, image in enumerate(content['images']):
        rows = _copies(by_image[image['id']], image, labels_of, rng, noise)
        if noise and index % 4 == 3:
            rows = []
        elif noise:
            rows += _false_positives(image, rows, labels_of, rng, extra)
        samples.append(_sample(image, rows, rng, masks, ties=bool(noise)))
    return samples


def _copies(annotations, image, labels_of, rng, noise):
    rows = []
    for annotation in annotations:
        x, y, w, h = annotation['bbox']
        box = np.array([x, y, x + w, y + h])
        rle = _rle(annotation['segmentation'], image)
        for _ in range(rng.integers(1, 3) if noise else 1):
            shift = rng.normal(0, noise, 4) * [w, h, w, h] if noise else 0
            noisy = _rectangle(box + shift, image) if noise and rng.random() < .8 else rle
            rows.append((box + shift, labels_of[annotation['category_id']], noisy))
    return rows


def _false_positives(image, rows, labels_of, rng, extra):
    known = [labels_of[key] for key in image['neg_category_ids']] + [row[1] for row in rows]
    out = []
    for _ in range(extra):
        label = rng.choice(known) if known and rng.random() < .7 else rng.integers(len(labels_of))
        start = rng.random(2) * [image['width'], image['height']] * .8
        box = np.concatenate([start, start + rng.random(2) * 60 + 4])
        out.append((box, int(label), _rectangle(box, image)))
    return out


def _sample(image, rows, rng, masks, ties):
    boxes = np.array([row[0] for row in rows], dtype=np.float32).reshape(-1, 4)
    scores = rng.random(len(rows))
    if ties:  # two digits: many equal scores, within an image and between images
        scores = scores.round(2)
    order = np.argsort(-scores, kind='stable')
    pred = dict(
        bboxes=torch.from_numpy(boxes[order]),
        scores=torch.from_numpy(scores[order].astype(np.float32)),
        labels=torch.tensor([rows[i][1] for i in order], dtype=torch.long))
    if masks:
        pred['masks'] = [rows[i][2] for i in order]
    return dict(img_id=image['id'], ori_shape=(image['height'], image['width']),
                pred_instances=pred)


def _rectangle(box, image):
    mask = np.zeros((image['height'], image['width']), dtype=np.uint8, order='F')
    x1, y1, x2, y2 = (max(int(round(v)), 0) for v in box)
    mask[y1:max(y2, y1 + 1), x1:max(x2, x1 + 1)] = 1
    return coco_mask.encode(mask)


def _rle(segmentation, image):
    size = image['height'], image['width']
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
    return coco_mask.frPyObjects(segmentation, *size)


def official_scores(path: str, content: dict, samples: list[dict], iou_type: str,
                    protocol: str, per_class: int = 10000, per_image: int = 300) -> dict:
    """The unrounded numbers of the official package, from a plain list of results.

    For the fixed protocol the best of each class are selected here, by sorting everything.
    """
    from lvis import LVIS, LVISEval, LVISResults
    names = class_names(content)
    ids = {c['name']: c['id'] for c in content['categories']}
    results = []
    for sample in sorted(samples, key=lambda sample: sample['img_id']):
        pred = sample['pred_instances']
        for i, box in enumerate(pred['bboxes'].double()):
            record = dict(image_id=sample['img_id'], score=float(pred['scores'][i]),
                          category_id=ids[names[pred['labels'][i]]])
            if iou_type == 'bbox':
                x1, y1, x2, y2 = box.tolist()
                record['bbox'] = [x1, y1, x2 - x1, y2 - y1]
            else:
                record['segmentation'] = dict(pred['masks'][i])
            results.append(record)
    if protocol == 'fixed':
        by_class = {}
        for record in sorted(results, key=lambda record: -record['score']):
            by_class.setdefault(record['category_id'], []).append(record)
        kept = {id(r) for records in by_class.values() for r in records[:per_class]}
        results = [record for record in results if id(record) in kept]
    truth = LVIS(path)
    limit = -1 if protocol == 'fixed' else per_image
    evaluator = LVISEval(truth, LVISResults(truth, results, max_dets=limit), iou_type)
    evaluator.params.max_dets = limit
    evaluator.run()
    return {name: float(value) for name, value in evaluator.results.items()}
