"""Checks of what a training takes: disk, memory, and a folder of its own."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from expalign.data_tools.checks.statistics import input_side
from expalign.engine.step_cost import BYTES, measure_step
from expalign.utils.run_lock import FolderInUse, check_unused

from .config_parts import named, parts_of_type
from .report import Report

GIB = 2**30
MEASURED_SIDE = 160  # pixels; what is kept for the backward pass grows with the area
INSTANCES = 20  # an image


def check_folder(cfg: Any, report: Report) -> None:
    """Check that no other run trains in the work folder, and that it can be written."""
    folder = Path(cfg.work_dir)
    try:
        check_unused(folder)
    except FolderInUse as error:
        report.fault('work folder', str(error), 'give another --work-dir')
        return
    parent = _existing(folder)
    if parent.is_dir() and os.access(parent, os.W_OK):
        report.ok('work folder', f'{folder}')
    else:
        report.fault('work folder', f'{folder} cannot be written', 'give another --work-dir')


def check_disk(cfg: Any, model: nn.Module, report: Report) -> None:
    """Compare the checkpoints that the run keeps with the free space where they go."""
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    every = sum(x.numel() for x in (*model.parameters(), *model.buffers()))
    trained = sum(x.numel() for x in model.parameters() if x.requires_grad)
    # Two moments of the optimizer, and the moving average.
    averaged = any(parts_of_type(cfg.get('custom_hooks') or [], name)
                   for name in ('TrainableEMAHook', 'EMAHook'))
    size = BYTES * (every + (2 + averaged) * trained)
    kept = hook.get('max_keep_ckpts', -1)
    if kept < 1:
        kept = max(1, cfg.train_cfg.get('max_epochs', 1) // max(1, hook.get('interval', 1)))
    needed = size * (kept + 1 + bool(hook.get('save_best')))  # one is being written
    folder = Path(hook.get('out_dir') or cfg.work_dir)
    free = shutil.disk_usage(_existing(folder)).free
    text = (f'{kept + 1} checkpoints of {size / GIB:.2f} GiB need {needed / GIB:.2f} GiB, '
            f'{free / GIB:.1f} GiB are free')
    if needed > free:
        report.fault('disk', text, 'free some space, give another --work-dir, or keep fewer: '
                     'default_hooks.checkpoint.max_keep_ckpts=1')
    else:
        report.ok('disk', text)


def check_memory(cfg: Any, model: nn.Module, report: Report) -> None:
    """Compare what a step keeps, measured on small images, with the memory of the device.

    It is a lower bound: work space of libraries and the encoding of texts come on top.
    """
    size = input_side(dict(cfg.train_dataloader)) or 640
    steps = list(parts_of_type(dict(cfg.train_dataloader), 'SamplePrompts'))
    prompts = steps[0].get('num_prompts', 80) if steps else 80
    batch = cfg.train_dataloader.get('batch_size', 1)
    side = min(MEASURED_SIDE, -(-size // 32) * 32)
    cost = measure_step(model, side, min(prompts, 80), INSTANCES)
    area = (size / side) ** 2
    half = named(cfg.optim_wrapper.get('type'), 'AmpOptimWrapper') or named(
        cfg.optim_wrapper.get('type'), 'BFloat16OptimWrapper')
    state = cost.memory(0) - cost.fixed_bytes
    sample = cost.sample_bytes * area * (0.5 if half else 1.0)
    needed = state + cost.fixed_bytes * area + batch * sample
    total, device = _memory()
    text = (f'batches of {batch} images of {size} px need {needed / GIB:.1f} GiB or more a process'
            f' ({sample / GIB:.2f} GiB an image)')
    if total is None:
        report.ok('memory', text)
    elif needed > total:
        fits = max(0, int((total - state) // sample))
        report.fault('memory', f'{text}; {device} has {total / GIB:.1f} GiB',
                     f'set train_dataloader.batch_size to {fits or 1} or less, or train with --amp')
    else:
        report.ok('memory', f'{text}; {device} has {total / GIB:.1f} GiB')


def _memory() -> tuple[float | None, str]:
    """Bytes for one process of this machine, and of what."""
    if torch.cuda.is_available():
        device = int(os.environ.get('LOCAL_RANK', 0))
        properties = torch.cuda.get_device_properties(device)
        return properties.total_memory, properties.name
    try:
        total = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    except (ValueError, OSError, AttributeError):
        return None, ''
    processes = int(os.environ.get('LOCAL_WORLD_SIZE', 1))
    share = f'a process of {processes}' if processes > 1 else 'this machine'
    return total / processes, share


def _existing(folder: Path) -> Path:
    """The folder, or the first above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
