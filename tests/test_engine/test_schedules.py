"""Learning rates of every shipped schedule, over the real number of iterations of its data.

The runner builds optimiser and schedulers around a dummy parameter, and they are stepped as its
hook does.
"""

import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

import expalign  # noqa: F401  (before mmdet: the compatibility layer)

# Images of Objects365 v1, of COCO train2017 and of the shipped ones; images an iteration.
OBJECTS365, COCO, MINI = (608_606, 128), (118_287, 128), (24, 8)


class Numbers(Dataset):
    """So many samples, of which none is read."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> int:
        raise IndexError(index)


class Dummy(BaseModel):
    """One parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2, 2))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        raise NotImplementedError


def learning_rates(cfg: Config, images: int, batch: int, folder) -> np.ndarray:
    """The rate of every iteration."""
    runner = Runner(
        Dummy(), str(folder), experiment_name=folder.name, default_scope='mmdet',
        train_dataloader=dict(
            dataset=Numbers(images), batch_size=batch, num_workers=0, drop_last=True,
            sampler=dict(type='DefaultSampler', shuffle=True)),
        train_cfg=cfg.train_cfg, optim_wrapper=cfg.optim_wrapper,
        param_scheduler=cfg.param_scheduler, log_level='WARNING')
    runner._train_loop = runner.build_train_loop(cfg.train_cfg)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    schedulers = runner.build_param_scheduler(cfg.param_scheduler)
    assert not any(scheduler.by_epoch for scheduler in schedulers)
    runner.optim_wrapper.optimizer.step()  # torch warns where schedulers are stepped before it
    rates = np.empty(runner.max_iters)
    for iteration in range(runner.max_iters):
        rates[iteration] = runner.optim_wrapper.param_groups[0]['lr']
        for scheduler in schedulers:
            scheduler.step()
    return rates


@pytest.mark.parametrize(('name', 'data', 'epochs', 'warmup', 'lr', 'ratio'), [
    ('stage1_30e', OBJECTS365, 30, 3, 2e-3, 0.1),
    ('stage2_20e', OBJECTS365, 20, 0, 1e-3, 0.2),
    ('mini_60e', MINI, 60, 3, 2e-3, 0.1),
    ('probe_10e', COCO, 10, 0, 1e-3, 0.1),
    ('full_80e', COCO, 80, 0, 2e-4, 0.1),
])
def test_curve(name, data, epochs, warmup, lr, ratio, tmp_path):
    cfg = Config.fromfile(f'configs/_base_/schedules/{name}.py')
    length = data[0] // data[1]
    rates = learning_rates(cfg, *data, tmp_path)
    assert len(rates) == epochs * length
    start, last = warmup * length, len(rates) - 1

    # First iteration, first after the warm-up, last.
    assert rates[0] == pytest.approx(lr * 1e-8 if warmup else lr)
    assert rates[start] == pytest.approx(lr) and rates.max() <= lr * (1 + 1e-9)
    assert rates[last] == pytest.approx(lr * ratio, rel=1e-6 if length > 100 else 1e-3)

    # Linear to lr at the last iteration of the warm-up, then half a cosine.
    steps = np.arange(len(rates))
    cosine = lr * (ratio + (1 - ratio) * (
        1 + np.cos(math.pi * (steps - start) / (len(rates) - start))) / 2)
    linear = lr * np.maximum(steps / max(1, start - 1), 1e-8)
    expected = np.where(steps < start, linear, cosine)
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=lr * 1e-7)


def test_stages_are_the_paper_s():
    """Table 9: epochs, rate, final ratio, warm-up; optimiser and clipping are shared."""
    first, second = (
        Config.fromfile(f'configs/_base_/schedules/{name}.py')
        for name in ('stage1_30e', 'stage2_20e'))
    optimizer = dict(type='AdamW', betas=(0.9, 0.999), weight_decay=0.025)
    assert first.optim_wrapper.optimizer == dict(optimizer, lr=2e-3)
    assert second.optim_wrapper.optimizer == dict(optimizer, lr=1e-3)
    assert first.optim_wrapper.clip_grad == second.optim_wrapper.clip_grad == dict(max_norm=10.0)
    assert (first.train_cfg.max_epochs, second.train_cfg.max_epochs) == (30, 20)
    assert (first.close_mosaic_epochs, second.close_mosaic_epochs) == (2, 2)
    assert first.auto_scale_lr.base_batch_size == second.auto_scale_lr.base_batch_size == 128
