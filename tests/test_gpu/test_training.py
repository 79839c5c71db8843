"""Training on a GPU: mixed precision learns, and the tools run with NCCL as a user starts them."""

import json
import os
import subprocess
import sys
from copy import deepcopy

import pytest
import torch
from mmengine.optim import build_optim_wrapper

from expalign.registry import MODELS
from tests.helpers.models import tiny_segmentation_config
from tests.helpers.processes import free_port
from tests.helpers.reduced import Reduction
from tests.helpers.runs import GeneratedImages

pytestmark = pytest.mark.gpu

WRAPPERS = [
    dict(type='expalign.BFloat16OptimWrapper'),
    dict(type='mmengine.AmpOptimWrapper', loss_scale='dynamic', dtype='float16')]
STEPS = 30


def batch() -> dict:
    items = [GeneratedImages()[i] for i in range(4)]
    return dict(inputs=[item['inputs'] for item in items],
                data_samples=[item['data_samples'] for item in items])


@pytest.mark.parametrize('wrapper', WRAPPERS, ids=['bf16', 'fp16'])
def test_mixed_precision_learns(tmp_path, wrapper):
    torch.manual_seed(0)
    model = MODELS.build(tiny_segmentation_config(tmp_path)).cuda().train()
    optim = build_optim_wrapper(model, dict(wrapper, optimizer=dict(type='AdamW', lr=3e-3)))
    losses, data = [], batch()
    for _ in range(STEPS):
        losses.append(model.train_step(deepcopy(data), optim)['loss'].item())
    assert all(torch.isfinite(torch.tensor(losses)))
    first, last = sum(losses[:5]), sum(losses[-5:])
    assert last < 0.9 * first, losses
    if wrapper['type'].startswith('mmengine'):
        # It starts at 2**16 and halves at each overflow: a loop of them would end near 0.
        assert optim.loss_scaler.get_scale() >= 2 ** 10


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A config of the small model with masks, and a function that runs a command of the tools."""
    folder = tmp_path_factory.mktemp('gpu_run')
    cfg = Reduction(folder)('configs/mini/expalign_mini-seg.py')
    cfg.train_dataloader.update(batch_size=4, num_workers=2, persistent_workers=False)
    cfg.train_dataloader.dataset.indices = 12
    cfg.val_dataloader.dataset.indices = cfg.test_dataloader.dataset.indices = 4
    cfg.sync_bn = 'torch'
    cfg.dump(str(folder / 'small.py'))

    def command(*parts: str) -> str:
        result = subprocess.run(
            [*parts, '--work-dir', folder / 'run'], capture_output=True, text=True, check=False,
            env={**os.environ, 'PYTHON': sys.executable, 'PORT': str(free_port())})
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
        return result.stdout + result.stderr

    return folder, command


def test_dist_train_resume_and_test(run):
    folder, command = run
    config, work_dir = str(folder / 'small.py'), folder / 'run'
    command('tools/dist_train.sh', config, '1', '--amp', 'bf16', '--cfg-options',
            'train_cfg.max_epochs=1')
    assert (work_dir / 'epoch_1.pth').is_file()
    command('tools/dist_train.sh', config, '1', '--amp', 'bf16', '--resume',
            '--cfg-options', 'train_cfg.max_epochs=2')
    assert (work_dir / 'epoch_2.pth').is_file()
    lines = [json.loads(line) for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
             for line in path.read_text().splitlines()]
    losses = [line['loss'] for line in lines if 'loss' in line]
    assert losses and all(torch.isfinite(torch.tensor(losses)))
    log = command('tools/dist_test.sh', config, str(work_dir / 'epoch_2.pth'), '1')
    assert 'bbox_mAP' in log and 'segm_mAP' in log
