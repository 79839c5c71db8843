"""What follows from the four settings of the recipes for own data (``configs/own_data``).

``epochs``, ``imgsz``, ``batch`` and ``data`` are one variable each in a recipe. mmengine evaluates
a config once, from its bases to the file that is named, so the rest of a recipe is set here.
"""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from .model_table import FOLDER

SETTINGS = ('epochs', 'imgsz', 'batch', 'data')
STRIDE = 32  # sides of the input are multiples of it
PIPELINES = ('train_pipeline', 'train_pipeline_stage2', 'test_pipeline')
MASK_STEPS = {'mmdet.LoadAnnotations': 'expalign.LoadInstances'}


def shipped_photographs() -> str:
    """The folder of the 24 + 24 photographs of COCO that a checkout and a wheel have."""
    return str(FOLDER / 'demo' / 'data' / 'mini')


def followed(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe adds to itself, so that all of it follows from its four settings.

    Args:
        base: the merged ``_base_`` of the recipe.
        own: what the recipe says so far, ``locals()``.

    Returns:
        Variables of the recipe.

    Raises:
        ValueError: a setting cannot be.
    """
    said = {key: deepcopy(value) for key, value in own.items()
            if not key.startswith('__') and isinstance(value, str | int | float | dict | list)}
    before = ConfigDict(Config._merge_a_into_b(said, ConfigDict(deepcopy(dict(base)))))
    cfg = deepcopy(before)
    follow_settings(cfg)
    return {key: dict(_delete_=True, **value) if isinstance(value, dict) else value
            for key, value in cfg.items() if key in own or value != before.get(key)}


def follow_settings(cfg: Config | ConfigDict) -> None:
    """Set in a recipe what follows from ``epochs``, ``imgsz``, ``batch`` and ``data``, in place.

    - ``epochs``: end of training and schedule; mosaic is off for the last half, 10 epochs at most;
      validation and checkpoint ten times in all.
    - ``imgsz``: every size in the transforms.
    - ``batch``: images of a training step; the learning rate is scaled by it (``auto_scale_lr``).
    - ``data``: a folder with ``annotations/{train,val}.json``, ``train/`` and ``val/``.

    Raises:
        ValueError: a setting cannot be.
    """
    check_settings(cfg)
    _follow_epochs(cfg)
    masks = cfg.model.bbox_head.type == 'expalign.ExpAlignInsHead'
    for name in PIPELINES:
        cfg[name] = sized(cfg[name], cfg.imgsz, MASK_STEPS if masks and 'train' in name else {})
    _follow_data(cfg, ['bbox', 'segm'] if masks else 'bbox')
    cfg.train_dataloader.batch_size = cfg.batch


def check_settings(cfg: Mapping[str, Any]) -> None:
    """Refuse settings that cannot be.

    Raises:
        ValueError: the message has the setting's name.
    """
    for name in ('epochs', 'imgsz', 'batch'):
        if type(cfg[name]) is not int or cfg[name] < 1:
            raise ValueError(f'{name} = {cfg[name]!r}: it must be a whole number of 1 or more')
    if cfg['imgsz'] % STRIDE:
        raise ValueError(f'imgsz = {cfg["imgsz"]}: it must be a multiple of {STRIDE}, such as '
                         f'{max(round(cfg["imgsz"] / STRIDE), 1) * STRIDE}')
    if not isinstance(cfg['data'], str) or not cfg['data']:
        raise ValueError(f'data = {cfg["data"]!r}: it must be the name of a folder')


def sized(pipeline: list, side: int, types: Mapping[str, str]) -> list:
    """A pipeline for square inputs of another side, with other types of some transforms."""
    steps = []
    for step in pipeline:
        step = ConfigDict(deepcopy(dict(step)))
        step.type = types.get(step.type, step.type)
        for key in ('scale', 'img_scale'):
            if key in step:
                step[key] = (side, side)
        if 'border' in step:  # of a mosaic, which is twice as large
            step.border = (-side // 2, -side // 2)
        if 'pre_transform' in step:
            step.pre_transform = sized(step.pre_transform, side, types)
        steps.append(step)
    return steps


def _follow_epochs(cfg: ConfigDict) -> None:
    interval = max(cfg.epochs // 10, 1)
    cfg.train_cfg.update(max_epochs=cfg.epochs, val_interval=interval)
    cfg.default_hooks.checkpoint.interval = interval
    (schedule,) = cfg.param_scheduler
    schedule.update(end=cfg.epochs, T_max=cfg.epochs)
    for hook in cfg.custom_hooks:
        if hook['type'] == 'mmdet.PipelineSwitchHook':
            hook['switch_epoch'] = cfg.epochs - min(-(-cfg.epochs // 2), 10)


def _follow_data(cfg: ConfigDict, metric: str | list[str]) -> None:
    root, dataset = cfg.data, cfg.train_dataloader.dataset
    dataset.pipeline = cfg.train_pipeline
    (dataset.datasets[0] if 'datasets' in dataset else dataset).data_root = root
    for hook in cfg.custom_hooks:
        if hook['type'] == 'mmdet.PipelineSwitchHook':
            hook['switch_pipeline'] = cfg.train_pipeline_stage2
        if hook['type'] == 'expalign.ZeroShotReportHook':
            hook['dataloader']['dataset']['pipeline'] = cfg.test_pipeline
            hook['evaluator']['metric'] = metric
    for split in ('val', 'test'):
        cfg[f'{split}_dataloader'].dataset.update(data_root=root, pipeline=cfg.test_pipeline)
        cfg[f'{split}_evaluator'].update(
            ann_file=str(Path(root, 'annotations', 'val.json')), metric=metric)
