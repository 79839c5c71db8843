"""The average of the trained parts equals mmengine's; frozen parts are not copied."""

import pytest
import torch

from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import make_runner

EMA = dict(ema_type='mmyolo.ExpMomentumEMA', momentum=0.1, gamma=2, update_buffers=True)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))


def run(model, folder, hook, **settings):
    runner = make_runner(model, folder, custom_hooks=[dict(type=hook, **EMA)], **settings)
    runner.train()
    return runner, torch.load(folder / 'epoch_2.pth', weights_only=False)


def test_equals_mmengines_hook_on_what_is_trained(model, tmp_path):
    _, ours = run(model, tmp_path / 'ours', 'expalign.TrainableEMAHook')
    _, theirs = run(model, tmp_path / 'theirs', 'mmengine.EMAHook')
    assert set(ours['state_dict']) == set(theirs['state_dict'])
    for name, value in theirs['state_dict'].items():
        torch.testing.assert_close(ours['state_dict'][name], value, rtol=0, atol=0)
    frozen = ('module.backbone.', 'module.text_encoder.')
    left_out = set(theirs['ema_state_dict']) - set(ours['ema_state_dict'])
    assert left_out and all(name.startswith(frozen) for name in left_out)
    assert not any(name.startswith(frozen) for name in ours['ema_state_dict'])
    # What is saved as the model is the average, not the last weights.
    name = 'neck.embed_branches.0.2.weight'
    assert not torch.equal(ours['state_dict'][name], ours['ema_state_dict'][f'module.{name}'])


def test_swapping_twice_restores_and_keeps_the_encoders(model, tmp_path):
    runner, _ = run(model, tmp_path / 'run', 'expalign.TrainableEMAHook')
    (hook,) = [hook for hook in runner.hooks if hasattr(hook, 'ema_model')]
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    hook._swap_ema_parameters()
    averaged = runner.model.state_dict()
    changed = {name for name, value in averaged.items() if not torch.equal(value, before[name])}
    assert 'neck.embed_branches.0.2.weight' in changed
    assert not any(name.startswith(('backbone.', 'text_encoder.')) for name in changed)
    hook._swap_ema_parameters()
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_resumed_run_ends_with_the_same_average(model, tmp_path):
    _, whole = run(model, tmp_path / 'whole', 'expalign.TrainableEMAHook')
    run(model, tmp_path / 'half', 'expalign.TrainableEMAHook')
    _, resumed = run(
        model, tmp_path / 'resumed', 'expalign.TrainableEMAHook',
        load_from=str(tmp_path / 'half' / 'epoch_1.pth'), resume=True)
    for part in ('state_dict', 'ema_state_dict'):
        assert set(whole[part]) == set(resumed[part])
        for name, value in whole[part].items():
            torch.testing.assert_close(resumed[part][name], value, msg=f'{part} {name}')


def test_starts_from_loaded_weights(model, tmp_path):
    _, first = run(model, tmp_path / 'first', 'expalign.TrainableEMAHook')
    runner = make_runner(
        model, tmp_path / 'second', custom_hooks=[dict(type='expalign.TrainableEMAHook', **EMA)],
        load_from=str(tmp_path / 'first' / 'epoch_2.pth'))
    runner.call_hook('before_run')
    runner.load_or_resume()
    (hook,) = [hook for hook in runner.hooks if hasattr(hook, 'ema_model')]
    for name, value in hook.ema_model.module.state_dict().items():
        assert torch.equal(value, first['state_dict'][name])
