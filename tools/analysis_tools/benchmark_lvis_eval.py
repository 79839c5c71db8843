"""Time and memory of the LVIS metric on generated detections, beside the official evaluator.

    python tools/analysis_tools/benchmark_lvis_eval.py --images 5000 --official

Ground truth and detections are drawn from a seed, image by image. Each evaluator runs in a process
of its own; memory is that process's resident set, time its CPU time, which other programs on the
machine do not change. The metric's time is everything from the first image to the scores; the
official evaluator's is ``evaluate()`` and ``accumulate()`` alone, after the same detections lie in
memory as it wants them.
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pycocotools.mask as coco_mask
import torch

import expalign  # noqa: F401  (before lvis: the compatibility layer)
from expalign.evaluation import LVISMetric
from expalign.utils import scratch_folder

HEIGHT, WIDTH = 480, 640
MASK_POOL = 2000


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Time and memory of the LVIS metric')
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--detections', type=int, default=1000, help='per image')
    parser.add_argument('--classes', type=int, default=1203)
    parser.add_argument('--known', type=float, default=0.2,
                        help='share of detections whose class the image is annotated for')
    parser.add_argument('--protocol', choices=('fixed', 'standard'), default='fixed')
    parser.add_argument('--per-class', type=int, default=10000, help='limit of the fixed protocol')
    parser.add_argument('--iou-type', choices=('bbox', 'segm'), default='bbox')
    parser.add_argument('--official', action='store_true', help='run the official one, too')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


class Generated:
    """Ground truth and detections; an image draws from (seed, image) and from nothing else."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        rng = np.random.default_rng(args.seed)
        weight = 1 / np.arange(1, args.classes + 1)
        self.frequency = rng.permutation(weight / weight.sum())
        self.boxes = self._boxes(rng, MASK_POOL)
        self.masks = [self._mask(box) for box in self.boxes]

    def _boxes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        sides = np.exp(rng.uniform(np.log(8), np.log(300), (count, 2)))
        start = rng.random((count, 2)) * (np.array([WIDTH, HEIGHT]) - sides)
        return np.concatenate([start, start + sides], 1).astype(np.float32)

    def _mask(self, box: np.ndarray) -> dict:
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order='F')
        x1, y1, x2, y2 = box.round().astype(int)
        mask[y1:y2, x1:x2] = 1
        return coco_mask.encode(mask)

    def truth(self, image: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Present classes (4), absent classes (7), and the instances as (class, shape) (n, 2)."""
        rng = np.random.default_rng((self.args.seed, 0, image))
        kinds = rng.choice(self.args.classes, 11, replace=False, p=self.frequency)
        owners = rng.choice(kinds[:4], 11)
        return kinds[:4], kinds[4:], np.stack([owners, rng.integers(MASK_POOL, size=11)], 1)

    def write(self, path: Path) -> None:
        """Write the ground truth in LVIS format."""
        images, annotations = [], []
        for image in range(1, self.args.images + 1):
            _, absent, instances = self.truth(image)
            images.append(dict(
                id=image, height=HEIGHT, width=WIDTH, neg_category_ids=(absent + 1).tolist(),
                not_exhaustive_category_ids=[int(instances[0, 0]) + 1]))
            for kind, shape in instances.tolist():
                x1, y1, x2, y2 = self.boxes[shape].tolist()
                rle = self.masks[shape]
                annotations.append(dict(
                    id=len(annotations) + 1, image_id=image, category_id=kind + 1,
                    bbox=[x1, y1, x2 - x1, y2 - y1], area=(x2 - x1) * (y2 - y1),
                    segmentation=dict(size=rle['size'], counts=rle['counts'].decode())))
        categories = [dict(id=k + 1, name=f'class {k}', frequency='rcf'[k % 3])
                      for k in range(self.args.classes)]
        path.write_text(json.dumps(dict(
            images=images, annotations=annotations, categories=categories)), encoding='utf-8')

    def sample(self, image: int) -> dict:
        """The detections of an image, by falling score."""
        rng = np.random.default_rng((self.args.seed, 1, image))
        count = self.args.detections
        present, absent, instances = self.truth(image)
        labels = rng.integers(self.args.classes, size=count)
        shapes = rng.integers(MASK_POOL, size=count)
        known = rng.random(count) < self.args.known
        labels[known] = rng.choice(np.concatenate([present, absent]), known.sum())
        hits = rng.choice(count, min(3 * len(instances), count), replace=False)
        labels[hits], shapes[hits] = np.resize(instances, (len(hits), 2)).T
        boxes = self.boxes[shapes] + rng.normal(0, 3, (count, 4)).astype(np.float32)
        pred = dict(
            bboxes=torch.from_numpy(boxes), labels=torch.from_numpy(labels),
            scores=torch.from_numpy(np.sort(rng.random(count, dtype=np.float32))[::-1].copy()))
        if self.args.iou_type == 'segm':
            pred['masks'] = [self.masks[shape] for shape in shapes]
        return dict(img_id=image, pred_instances=pred)

    def records(self) -> Iterator[dict]:
        """All detections as entries of a result file."""
        for image in range(1, self.args.images + 1):
            pred = self.sample(image)['pred_instances']
            for i, (x1, y1, x2, y2) in enumerate(pred['bboxes'].double().tolist()):
                shape = (dict(bbox=[x1, y1, x2 - x1, y2 - y1]) if 'masks' not in pred
                         else dict(segmentation=pred['masks'][i]))
                yield dict(image_id=image, category_id=int(pred['labels'][i]) + 1,
                           score=float(pred['scores'][i]), **shape)


def resident() -> float:
    """GiB that this process holds in memory now."""
    pages = int(Path('/proc/self/statm').read_text(encoding='utf-8').split()[1])
    return pages * resource.getpagesize() / 2**30


def peak() -> float:
    """GiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def run_metric(args: argparse.Namespace, path: str) -> dict:
    """Feed the metric image by image."""
    data = Generated(args)
    limit = dict(per_class=args.per_class) if args.protocol == 'fixed' else {}
    metric = LVISMetric(path, metric=args.iou_type, protocol=args.protocol, **limit)
    metric.dataset_meta = dict(classes=[f'class {k}' for k in range(args.classes)])
    print(f'before the first image: {resident():.2f} GiB', flush=True)
    taken = 0.0
    for image in range(1, args.images + 1):
        sample = data.sample(image)
        start = time.process_time()
        metric.process({}, [sample])
        taken += time.process_time() - start
        if image % max(args.images // 10, 1) == 0:
            print(f'{image:6,} images: {len(metric.heaps):,} detections held, '
                  f'{resident():.2f} GiB, at most {peak():.2f} GiB', flush=True)
    start = time.process_time()
    scores = metric.evaluate(args.images)
    evaluated = time.process_time() - start
    prefix = f'lvis/{args.iou_type}_{args.protocol}_'
    return dict(process=taken, evaluate=evaluated, seconds=taken + evaluated, peak=peak(),
                AP=scores[prefix + 'AP'], APr=scores[prefix + 'APr'])


def run_official(args: argparse.Namespace, path: str) -> dict:
    """Give the official evaluator the same detections, best ``per_class`` of each class."""
    from lvis import LVIS, LVISEval, LVISResults
    truth = LVIS(path)
    records = list(Generated(args).records())
    if args.protocol == 'fixed':
        by_class: dict[int, list] = {}
        for record in records:
            by_class.setdefault(record['category_id'], []).append(record)
        records = [record for group in by_class.values() for record in sorted(
            group, key=lambda record: -record['score'])[:args.per_class]]
    limit = -1 if args.protocol == 'fixed' else 300
    evaluator = LVISEval(truth, LVISResults(truth, records, max_dets=limit), args.iou_type)
    evaluator.params.max_dets = limit
    del records
    start = time.process_time()
    evaluator.evaluate()
    evaluator.accumulate()
    taken = time.process_time() - start
    evaluator.summarize()
    return dict(seconds=taken, peak=peak(), AP=evaluator.results['AP'],
                APr=evaluator.results['APr'])


def main() -> None:
    """Run and print."""
    args = parse_args()
    context = multiprocessing.get_context('spawn')
    with scratch_folder() as folder:
        path = folder / 'generated.json'
        Generated(args).write(path)
        runs = dict(metric=run_metric) | (dict(official=run_official) if args.official else {})
        found = {}
        for name, run in runs.items():
            with context.Pool(1) as pool:
                found[name] = pool.apply(run, (args, str(path)))
            print(name, ', '.join(f'{k} {float(v):.6g}' for k, v in found[name].items()),
                  flush=True)
    if args.official:
        print(f'CPU time of the metric / of the official evaluator: '
              f'{found["metric"]["seconds"] / found["official"]["seconds"]:.2f}; '
              f'APs differ by {abs(found["metric"]["AP"] - found["official"]["AP"]):.1e}')


if __name__ == '__main__':
    main()
