"""Training checkpoints: safe to load, complete on resuming, never fewer than one."""

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from torch.serialization import get_safe_globals
from torch.utils.data import Dataset

from expalign import trust_checkpoints
from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import make_runner

EMA = dict(
    type='expalign.TrainableEMAHook', ema_type='mmyolo.ExpMomentumEMA', momentum=0.1, gamma=2,
    update_buffers=True)
SCHEDULE = [dict(
    type='CosineAnnealingLR', T_max=4, end=4, by_epoch=True, convert_to_iter_based=True)]


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))


class Notes(Hook):
    """Leaves numpy's types where hooks of users leave them."""

    def before_train(self, runner):
        runner.message_hub.update_info('best_score', np.float64(0.25))
        runner.message_hub.update_info('means', np.arange(3.0))


def start(model, folder, epochs=2, kind='expalign.PlainCheckpointHook', **settings):
    runner = make_runner(
        model, folder, epochs, custom_hooks=[dict(EMA), Notes()], param_scheduler=SCHEDULE,
        default_hooks=dict(checkpoint=dict(type=kind, interval=1, max_keep_ckpts=1)), **settings)
    runner.train()
    return runner


@pytest.fixture(scope='module')
def run(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs') / 'first'
    return start(model, folder), folder


def test_loads_under_torchs_own_list(run):
    # Nothing was added to the list but torch's own types.
    assert all(kind.__module__.startswith('torch.') for kind in get_safe_globals())
    saved = torch.load(run[1] / 'epoch_2.pth', weights_only=True)
    assert set(saved) == {
        'meta', 'state_dict', 'message_hub', 'optimizer', 'param_schedulers', 'ema_state_dict'}
    assert saved['message_hub']['runtime_info']['best_score'] == 0.25
    assert saved['message_hub']['runtime_info']['means'] == [0.0, 1.0, 2.0]
    assert len(saved['message_hub']['log_scalars']['train/loss']['values']) == 4


def test_everything_is_restored(model, run, tmp_path):
    first, folder = run
    runner = make_runner(
        model, tmp_path / 'resumed', 4, custom_hooks=[dict(EMA)], param_scheduler=SCHEDULE,
        default_hooks=dict(checkpoint=dict(type='expalign.PlainCheckpointHook')),
        load_from=str(folder / 'epoch_2.pth'), resume=True)
    runner.train_loop  # noqa: B018  (built when it is first read)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner.call_hook('before_run')
    runner.load_or_resume()
    assert (runner.epoch, runner.iter) == (2, 4)
    assert_equal_states(runner.model.state_dict(), first.model.state_dict())
    averages = [
        next(hook for hook in each.hooks if hasattr(hook, 'ema_model')).ema_model.state_dict()
        for each in (runner, first)]
    assert int(averages[0]['steps']) == 4
    assert_equal_states(*averages)
    ours, theirs = (x.optim_wrapper.optimizer.state_dict()['state'] for x in (runner, first))
    assert ours.keys() == theirs.keys() and len(ours) > 20
    for index, state in theirs.items():
        assert_equal_states(ours[index], state)
    for ours, theirs in zip(runner.param_schedulers, first.param_schedulers, strict=True):
        assert ours.state_dict() == theirs.state_dict() and ours.last_step == 4
    for name, history in first.message_hub.log_scalars.items():
        resumed = runner.message_hub.log_scalars[name]
        assert isinstance(resumed, HistoryBuffer)
        assert np.array_equal(resumed.data, history.data), name
    assert runner.message_hub.get_info('keep_ckpt_ids') == [2]


def assert_equal_states(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


def test_mmengines_checkpoints_can_be_resumed_when_trusted(model, tmp_path, request):
    start(model, tmp_path / 'old', 1, 'mmengine.CheckpointHook')
    trust_checkpoints()
    request.addfinalizer(lambda: trust_checkpoints(False))
    runner = start(
        model, tmp_path / 'new', load_from=str(tmp_path / 'old' / 'epoch_1.pth'), resume=True)
    assert len(runner.message_hub.get_scalar('train/loss').data[0]) == 4
    torch.load(tmp_path / 'new' / 'epoch_2.pth', weights_only=True)


def test_old_one_goes_after_the_new_one_is_there(model, run, tmp_path, monkeypatch):
    assert [path.name for path in run[1].glob('*.pth')] == ['epoch_2.pth']
    folder = tmp_path / 'killed'

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    class Killer(Hook):
        def before_train_epoch(self, runner):
            if runner.epoch == 1:
                monkeypatch.setattr('mmengine.runner.runner.save_checkpoint', fail)

    runner = make_runner(
        model, folder, custom_hooks=[Killer()],
        default_hooks=dict(checkpoint=dict(
            type='expalign.PlainCheckpointHook', interval=1, max_keep_ckpts=1)))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'epoch_1.pth')
    torch.load(folder / 'epoch_1.pth', weights_only=True)


def test_what_cannot_be_plain_is_named(model, tmp_path):
    class Odd(Hook):
        def before_train(self, runner):
            runner.message_hub.update_info('odd', Dataset())

    runner = make_runner(
        model, tmp_path / 'odd', 1, custom_hooks=[Odd()],
        default_hooks=dict(checkpoint=dict(type='expalign.PlainCheckpointHook')))
    with pytest.raises(TypeError, match=r"\['message_hub'\]\['runtime_info'\]\['odd'\] is a Data"):
        runner.train()


def test_a_run_that_ends_while_it_saves_leaves_the_older_file(model, tmp_path, monkeypatch):
    folder = tmp_path / 'torn'
    start(model, folder, 1)
    before = (folder / 'epoch_1.pth').read_bytes()

    def torn(path, content):
        with open(path, 'wb') as file:
            file.write(content[:1000])
        raise SystemExit(143)  # as SIGTERM does

    monkeypatch.setattr('pathlib.Path.write_bytes', torn)
    with pytest.raises(SystemExit):
        start(model, folder, 1)
    assert (folder / 'epoch_1.pth').read_bytes() == before
    assert not [path for path in folder.iterdir() if 'partial' in path.name]


def test_a_change_of_the_frozen_part_is_noticed(model, run, tmp_path):
    saved = torch.load(run[1] / 'epoch_2.pth', weights_only=True)
    name = next(name for name in saved['state_dict'] if name.startswith('backbone.'))
    weights = saved['state_dict'][name].view(-1).view(torch.int32)
    weights[0] ^= 1
    torch.save(saved, tmp_path / 'changed.pth')  # whole, with other sums
    runner = make_runner(model, tmp_path / 'loads', load_from=str(tmp_path / 'changed.pth'))
    with pytest.raises(RuntimeError, match='the frozen backbone in the checkpoint is not the one '
                                           'that was saved'):
        runner.load_or_resume()
    weights[0] ^= 1
    torch.save(saved, tmp_path / 'same.pth')
    make_runner(model, tmp_path / 'loads', load_from=str(tmp_path / 'same.pth')).load_or_resume()
