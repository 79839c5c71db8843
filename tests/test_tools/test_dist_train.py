"""Two processes on CPU, started as a user would."""

import os
import subprocess
import sys

import torch

from tests.helpers.processes import free_port

CONFIG = """
_base_ = {base!r}
custom_imports = dict(
    imports=['expalign', 'tests.helpers.weight_dump_hook'], allow_failed_imports=False)
custom_hooks = [dict(type='mmengine.WeightDumpHook')]
"""


def test_two_processes_end_with_the_same_weights(repo_root, tmp_path):
    config = tmp_path / 'two_processes.py'
    config.write_text(CONFIG.format(base=str(repo_root / 'configs' / 'mini/expalign_mini.py')))
    result = subprocess.run(
        ['tools/dist_train.sh', config, '2', '--work-dir', tmp_path, '--cfg-options',
         'train_cfg.max_epochs=1', 'train_cfg.val_interval=9', 'train_dataloader.batch_size=2',
         'train_dataloader.dataset.indices=8', 'param_scheduler=None', 'log_level=WARNING'],
        env={**os.environ, 'PYTHON': sys.executable, 'PORT': str(free_port()),
             'PYTHONPATH': str(repo_root)},
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]

    first, second = (torch.load(tmp_path / f'weights_rank{rank}.pth') for rank in (0, 1))
    assert first['world_size'] == second['world_size'] == 2
    assert first['wrapper'] == 'MMDistributedDataParallel'
    assert first['parameters'].keys() == second['parameters'].keys()
    for name, value in first['parameters'].items():
        assert torch.equal(value, second['parameters'][name]), name
    # They were trained: the optimiser's steps leave nothing of the zeros of the start.
    assert first['parameters']['text_adapter.ffn.w3.weight'].abs().max() > 0
