"""What a model finds in a validation set: precision by class, and every box for a closer look."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import BaseMetric

from expalign.datasets.class_names import category_ids_of_classes
from expalign.engine.launch import build_runner
from expalign.evaluation.class_precision import ClassPrecision, class_precision, mean_precision
from expalign.evaluation.coco_ground_truth import CocoGroundTruth
from expalign.evaluation.found_and_true import FoundAndTrue


@dataclass(frozen=True)
class Measured:
    """The result of testing one model on one set.

    Attributes:
        ap, ap50: of boxes, mean over classes.
        mask_ap: of masks; None where none are measured.
        by_class: of boxes, by label.
        images: what was found in each, and what is there.
    """

    ap: float
    ap50: float
    mask_ap: float | None
    by_class: list[ClassPrecision]
    images: list[FoundAndTrue]


class FoundBoxes(BaseMetric):
    """Keeps what is found in every image."""

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep boxes, scores and labels."""
        for sample in data_samples:
            found = sample['pred_instances']
            self.results.append((sample['img_id'], sample['img_path'], *(
                found[key].numpy(force=True) for key in ('bboxes', 'scores', 'labels'))))

    def compute_metrics(self, results: list) -> dict:
        """Nothing: the boxes are what is wanted."""
        self.found = results
        return {}


def measure(cfg: Config, checkpoint: str | Path, work_dir: str | Path) -> Measured:
    """Test a checkpoint on the test set of a config.

    Args:
        cfg: of the model; its test set is one annotation file in COCO's layout.
        checkpoint: file or name of weights.
        work_dir: for logs.
    """
    cfg = deepcopy(cfg)
    cfg.update(work_dir=str(work_dir), load_from=str(checkpoint), resume=False, custom_hooks=[],
               train_dataloader=None, train_cfg=None, optim_wrapper=None, param_scheduler=None,
               auto_scale_lr=None, val_dataloader=None, val_cfg=None, val_evaluator=None,
               log_level='ERROR', experiment_name=f'test {work_dir} {Path(checkpoint).name}')
    cfg.visualizer.name = cfg.experiment_name
    boxes = FoundBoxes(prefix='found')
    runner = build_runner(cfg)
    runner.test_evaluator.metrics.append(boxes)
    metrics = runner.test()
    dataset = runner.test_dataloader.dataset
    truth = CocoGroundTruth(dataset.ann_file)
    ids = category_ids_of_classes(dataset.metainfo['classes'], truth.dataset['categories'],
                                  dataset.ann_file)
    images = [_image(truth, ids, *found) for found in boxes.found]
    rows = class_precision(truth, [found[0] for found in boxes.found], images, ids)
    return Measured(*mean_precision(rows), metrics.get('coco/segm_mAP'), rows, images)


def _image(truth: CocoGroundTruth, ids: Sequence[int], image_id: int, path: str,
           boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> FoundAndTrue:
    annotations = [a for a in truth.imgToAnns[image_id] if a['category_id'] in ids]
    corners = [(x, y, x + w, y + h) for x, y, w, h in (a['bbox'] for a in annotations)]
    return FoundAndTrue(
        path, boxes, scores, labels, np.array(corners, dtype=float).reshape(-1, 4),
        np.array([ids.index(a['category_id']) for a in annotations], dtype=int),
        np.array([bool(a['iscrowd']) for a in annotations], dtype=bool))
