"""A run killed in the middle of an epoch and resumed ends as one that was left alone.

tools/train.py runs in processes forked from the test, on four of the shipped photographs, with all
losses, the moving average and two worker processes.
"""

import os
import signal

import numpy as np
import pytest
import torch

from expalign.checkpoints.plain_state import history_from_plain
from expalign.utils.finished_file import finished_file
from expalign.utils.run_lock import LOCK_NAME
from tests.helpers.processes import fork

pytestmark = pytest.mark.slow

CONFIG = """
_base_ = {base!r}
custom_imports = dict(
    imports=['expalign', 'tests.helpers.kill_hook'], allow_failed_imports=False)
load_from = None
data = dict(num_workers=2, persistent_workers=True, batch_size=2)
train_dataloader = dict(dataset=dict(indices=4), **data)
train_cfg = dict(max_epochs=2, val_interval=9)
param_scheduler = [
    dict(type='mmengine.LinearLR', start_factor=0.1, begin=0, end=1, by_epoch=True,
         convert_to_iter_based=True),
    dict(type='mmengine.CosineAnnealingLR', eta_min_ratio=0.1, begin=1, end=2, T_max=1,
         by_epoch=True, convert_to_iter_based=True)]
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=1))
custom_hooks = [
    dict(type='expalign.FiniteLossHook'),
    dict(type='expalign.TrainableEMAHook', ema_type='mmyolo.ExpMomentumEMA', momentum=0.01,
         gamma=2, update_buffers=True, strict_load=False, priority=49),
    dict(type='mmengine.KillHook')]
log_level = 'WARNING'
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='module')
def checkpoints(repo_root, run_script, folder):
    """The last checkpoints of the run left alone and of the one killed and resumed."""
    config = folder / 'config.py'
    base = repo_root / 'configs/mini/expalign_mini-seg_stage2.py'
    config.write_text(CONFIG.format(base=str(base)))

    def train(name, *options, kill_at=None, number=signal.SIGKILL):
        if kill_at:
            os.environ.update(KILL_AT_ITERATION=str(kill_at), KILL_SIGNAL=str(int(number)))
        run_script('tools/train.py', config, '--work-dir', folder / name, *options)

    def killed():
        train('killed', kill_at=3)

    def terminated():
        train('terminated', kill_at=3, number=signal.SIGTERM)

    assert fork(train, 'whole') == 0
    assert fork(terminated) == 128 + signal.SIGTERM
    assert fork(killed) == -signal.SIGKILL
    assert [path.name for path in (folder / 'killed').glob('*.pth')] == ['epoch_1.pth']
    assert (folder / 'killed' / LOCK_NAME).is_file()
    fork(leave_partial, folder / 'killed' / 'epoch_2.pth')
    assert partials(folder / 'killed')
    assert fork(train, 'killed', '--resume') == 0
    return [torch.load(folder / name / 'epoch_2.pth', weights_only=True)
            for name in ('whole', 'killed')]


def leave_partial(path):
    """What a run leaves that is killed while it saves."""
    with finished_file(path) as temporary:
        temporary.write_bytes(b'half')
        os.kill(os.getpid(), signal.SIGKILL)


def partials(folder):
    return [path.name for path in folder.iterdir() if '.partial' in path.name]


def assert_close(ours, theirs, name):
    assert type(ours) is type(theirs), name
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), name
        for key, value in theirs.items():
            assert_close(ours[key], value, f'{name}.{key}')
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), name
        for index, value in enumerate(theirs):
            assert_close(ours[index], value, f'{name}[{index}]')
    elif isinstance(theirs, torch.Tensor):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8, msg=name)
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-9), name
    else:
        assert ours == theirs, name


@pytest.mark.parametrize('part', ['state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'])
def test_ends_with_the_same_state(checkpoints, part):
    whole, resumed = checkpoints
    assert_close(resumed[part], whole[part], part)


def test_nothing_unfinished_is_left(checkpoints, folder):
    for name in ('whole', 'terminated', 'killed'):
        assert not partials(folder / name)
        assert not (folder / name / LOCK_NAME).exists()
    assert [path.name for path in (folder / 'terminated').glob('*.pth')] == ['epoch_1.pth']


def test_it_was_resumed_after_the_first_epoch(checkpoints):
    whole, resumed = checkpoints
    for checkpoint in checkpoints:
        assert (checkpoint['meta']['epoch'], checkpoint['meta']['iter']) == (2, 4)
    ours, theirs = (x['message_hub']['log_scalars'] for x in (resumed, whole))
    for name in ('loss', 'loss_mask', 'loss_sem', 'loss_geo', 'lr', 'grad_norm'):
        histories = [history_from_plain(x[f'train/{name}']).data[0] for x in (ours, theirs)]
        assert len(histories[1]) == 4 and np.isfinite(histories[1]).all()
        # The killed epoch's iterations are not in the history twice.
        assert np.allclose(*histories, rtol=1e-5), name
