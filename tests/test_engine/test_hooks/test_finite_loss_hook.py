"""A loss or a weight that is not a number ends the run and leaves the last good checkpoint."""

import pytest
import torch
from mmengine.hooks import Hook

from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import make_runner

WEIGHT = 'text_adapter.proj.weight'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))


class Poison(Hook):
    """Makes a weight useless before the third iteration, or after the last of the second epoch."""

    def __init__(self, before: bool):
        self.before = before

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.before and runner.iter == 2:
            self.spoil(runner)
            self.images = [sample.img_id for sample in data_batch['data_samples']]

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if not self.before and runner.iter == 3:
            self.spoil(runner)

    def spoil(self, runner):
        with torch.no_grad():
            runner.model.get_parameter(WEIGHT).fill_(float('nan'))


def fail(model, folder, before):
    """The message of a run of two epochs, its poison and what the first epoch has saved."""
    poison = Poison(before)
    runner = make_runner(
        model, folder, custom_hooks=[dict(type='expalign.FiniteLossHook'), poison],
        default_hooks=dict(checkpoint=dict(
            type='expalign.PlainCheckpointHook', interval=1, max_keep_ckpts=1)))
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    assert [path.name for path in folder.glob('*.pth')] == ['epoch_1.pth']
    saved = torch.load(folder / 'epoch_1.pth', weights_only=True)['state_dict']
    assert all(torch.isfinite(value).all() for value in saved.values())
    return str(error.value), poison


def test_loss_names_iteration_loss_images_and_checkpoint(model, tmp_path):
    message, poison = fail(model, tmp_path / 'run', before=True)
    assert message.startswith('iteration 3: {')
    assert "'loss_cls': nan" in message and "'loss': nan" in message
    assert len(poison.images) == 2 and f'with the images {poison.images}.' in message
    assert f'the last good checkpoint is {tmp_path}/run/epoch_1.pth.' in message


def test_spoilt_weights_are_not_saved(model, tmp_path):
    message, _ = fail(model, tmp_path / 'run', before=False)
    assert message.startswith(
        f'epoch 2, iteration 4: 1 weights are not finite ({WEIGHT}) and are not saved. The run '
        f'is stopped; the last good checkpoint is {tmp_path}/run/epoch_1.pth.')


def test_without_a_checkpoint_it_says_so(model, tmp_path):
    runner = make_runner(
        model, tmp_path / 'run', custom_hooks=[dict(type='expalign.FiniteLossHook')])
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'FiniteLossHook')
    runner.train_loop  # noqa: B018  (built when it is first read)
    hook.after_train_iter(runner, 0, None, dict(loss=torch.tensor(1.0), grad_norm=float('inf')))
    with pytest.raises(FloatingPointError, match=(
            rf"^iteration 1: {{'loss_dfl': inf}} with the images \[\]\. .*there is no checkpoint "
            f'in {tmp_path}/run yet')):
        hook.after_train_iter(
            runner, 0, None, dict(loss=torch.tensor(1.0), loss_dfl=torch.tensor(float('inf'))))
