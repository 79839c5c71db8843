"""A search for everything beside a search for the list of all names: ``everything_table.py``.

Both run on the same photographs of coco-mini, one after the other for each, by expalign-s without
masks: recall of boxes whatever their names, the share of names that are right, and processor time.
The folder of the data is named by ``EXPALIGN_DATA``.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis import ExpAlignInferencer
from expalign.apis.hint_words import better_names
from expalign.datasets import CocoDataset
from expalign.evaluation.metrics import ClassAgnosticRecall
from expalign.structures.detections import Detections
from expalign.structures.name_keys import name_keys
from expalign.utils import run_command, scratch_folder

MODEL, BOXES, WARM = 'expalign-s-boxes', 1000, 3
RECALLS = ('AR@100', 'AR@300', 'AR@1000')


def plain(name: str) -> str:
    """A name without what stands in brackets."""
    return name.split(' (')[0]


def is_name_of(found: str, name: str) -> bool:
    """Whether a name that was found is a class's, or a word for it or for one of its kind."""
    wanted = set(name_keys(name))
    return any(wanted.intersection(name_keys(word))
               for word in (plain(found), *better_names(plain(found))))


def overlaps(boxes: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU (n, m) of boxes xyxy."""
    corners = np.concatenate([np.maximum(boxes[:, None, :2], other[None, :, :2]),
                              np.minimum(boxes[:, None, 2:], other[None, :, 2:])], axis=2)
    shared = np.prod(np.clip(corners[..., 2:] - corners[..., :2], 0, None), axis=2)
    areas = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (boxes, other)]
    return shared / (areas[0][:, None] + areas[1][None] - shared).clip(1e-9)


class Tally:
    """What one way of searching gives, image by image.

    Args:
        metric: of recalls.
    """

    def __init__(self, metric: ClassAgnosticRecall) -> None:
        self.metric, self.seconds = metric, []
        self.shown = self.met = self.right = 0

    def add(self, found: Detections, annotated: Sequence[tuple[str, np.ndarray]], image_id: int
            ) -> None:
        """Count the boxes that are shown, and whose names are right where an object is met."""
        instances = found.data_sample.pred_instances
        self.metric.process({}, [dict(
            img_id=image_id, ori_shape=found.size, pred_instances=dict(
                bboxes=instances.bboxes, scores=instances.scores, labels=0 * instances.labels))])
        self.shown += len(found)
        for name, box in annotated if len(found) else ():
            near = overlaps(found.boxes, box[None])[:, 0]
            if near.max() >= 0.5:
                self.met += 1
                self.right += is_name_of(found.names[int(near.argmax())], name)

    def row(self, images: int, boxes: int) -> str:
        """The figures, as the end of a row of a table."""
        metrics = self.metric.evaluate(images)
        recalls = ' | '.join(f'{metrics[f"class_agnostic/{name}"]:.3f}' for name in RECALLS)
        seconds = statistics.median(self.seconds[WARM:])
        return (f'{recalls} | {self.shown / images:.1f} | {self.met / boxes:.3f} | '
                f'{self.right / max(self.met, 1):.3f} | {1000 * seconds:.0f} ms')


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--split', default='val2017', choices=('train2017', 'val2017'))
    parser.add_argument('--every', type=int, default=1, metavar='N', help='each N-th photograph')
    args = parser.parse_args()
    if not os.environ.get('EXPALIGN_DATA'):
        parser.error('the environment variable EXPALIGN_DATA must name the folder of the data')
    data = Path(os.environ['EXPALIGN_DATA'], 'coco-mini')
    with scratch_folder() as folder:
        ann_file = str(Path(folder, 'annotations.json'))
        write_part(data / f'annotations/instances_{args.split}.json', ann_file, args.every)
        compare(data / args.split, ann_file)


def write_part(source: Path, target: str, every: int) -> None:
    """Write the annotations of each so-many-th photograph."""
    content = json.loads(source.read_text(encoding='utf-8'))
    content['images'] = content['images'][::every]
    kept = {image['id'] for image in content['images']}
    content['annotations'] = [x for x in content['annotations'] if x['image_id'] in kept]
    Path(target).write_text(json.dumps(content), encoding='utf-8')


def compare(folder: Path, ann_file: str) -> None:
    """Search the photographs of a file of annotations both ways, and print the table."""
    settings = {'model.test_cfg.max_per_img': BOXES}
    listed = ExpAlignInferencer(MODEL, show_progress=False, cfg_options={
        **settings, 'model.test_cfg.multi_label': False,
        'model.test_cfg.nms.class_agnostic': True})
    ways = {"'*'": (ExpAlignInferencer(MODEL, show_progress=False, cfg_options=settings), '*'),
            'list of all names': (listed, list(listed.model.known_names.names))}
    tallies = {}
    for way in ways:
        metric = ClassAgnosticRecall(ann_file=ann_file)
        metric.dataset_meta = CocoDataset.METAINFO
        tallies[way] = Tally(metric)
    coco = metric._coco_api
    names = {entry['id']: entry['name'] for entry in coco.dataset['categories']}
    count = 0
    for image_id in coco.get_img_ids():
        (image,) = coco.load_imgs([image_id])
        records = coco.load_anns(coco.get_ann_ids(img_ids=[image_id], iscrowd=False))
        corners = [np.float32(record['bbox']) for record in records]
        annotated = [(names[record['category_id']], np.r_[box[:2], box[:2] + box[2:]])
                     for record, box in zip(records, corners, strict=True)]
        count += len(annotated)
        for way, (inferencer, texts) in ways.items():
            started = time.process_time()
            found = inferencer.detect(str(folder / image['file_name']), texts)
            tallies[way].seconds.append(time.process_time() - started)
            tallies[way].add(found, annotated, image_id)
    images = len(coco.get_img_ids())
    print(f'{images} images, {count} boxes\n| search | {" | ".join(RECALLS)} | shown an image | '
          'met | named right | processor time |\n|---|---|---|---|---|---|---|---|')
    for way, tally in tallies.items():
        print(f'| {way} | {tally.row(images, count)} |')


if __name__ == '__main__':
    run_command(main)
