"""All checks of a training, in one call."""

from typing import Any

from mmengine.registry import init_default_scope

from expalign.models.detectors import ExpAlignDetector

from .config_parts import named
from .data import check_data
from .report import Report
from .resources import check_disk, check_folder, check_memory
from .weights import build_model, check_start


def preflight(cfg: Any) -> Report:
    """Check a training before its first iteration, in seconds; nothing is written.

    Args:
        cfg: the config as it is run: with ``work_dir``, and ``load_from`` and ``resume`` as the
            command line sets them.

    Returns:
        What was found; its ``raise_faults()`` stops a run that cannot work. It covers files and
        folders of every data set, a sample of images and annotations, names of classes, masks,
        the vocabulary of negatives, the encoders' weights, the checkpoint to start from, the work
        folder, disk and memory.
    """
    from expalign.engine.hooks.mask_share_hook import trains_masks
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    report = Report()
    check_folder(cfg, report)
    model = build_model(cfg, report)
    check_start(cfg, model, report)
    head = cfg.model.get('bbox_head') or {}
    masks = trains_masks(model) if model is not None else named(head.get('type'), 'ExpAlignInsHead')
    check_data(cfg, masks, report)
    if model is not None:
        check_disk(cfg, model, report)
    if isinstance(model, ExpAlignDetector):
        check_memory(cfg, model, report)
    return report
