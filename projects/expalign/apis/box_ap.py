"""Box AP, and mask AP where there are masks, on a config's test set; for the demos."""

from copy import deepcopy
from pathlib import Path

from mmengine.config import Config

from expalign.engine.launch import build_runner

REPORTED = dict(
    AP='coco/bbox_mAP', AP50='coco/bbox_mAP_50', mask_AP='coco/segm_mAP',
    mask_AP50='coco/segm_mAP_50')


def box_ap(cfg: Config, checkpoint: str | Path, work_dir: Path) -> dict:
    """Run the config's test set.

    Args:
        cfg: config of the detector; it is not changed.
        checkpoint: its weights.
        work_dir: folder for logs.

    Returns:
        ``AP`` and ``AP50`` of COCO; ``mask_AP`` and ``mask_AP50`` where the config measures
        masks; ``images`` (their number) and ``annotations`` (the file).
    """
    cfg = deepcopy(cfg)
    cfg.work_dir = str(work_dir)
    cfg.load_from = str(checkpoint)
    runner = build_runner(cfg)
    metrics = runner.test()
    dataset = runner.test_dataloader.dataset
    measured = {name: metrics[key] for name, key in REPORTED.items() if key in metrics}
    return measured | dict(images=len(dataset), annotations=dataset.ann_file)
