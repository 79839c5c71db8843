"""What frozen encoders cost a training: nothing but their weights, once."""

import pytest
import torch

from tests.helpers.models import sample, tiny_segmentation_config
from tests.helpers.runs import make_runner

ENCODERS = ('backbone.', 'text_encoder.')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Both stages' losses for six iterations; the weights before, the runner, its checkpoint."""
    folder = tmp_path_factory.mktemp('run')
    runner = make_runner(
        tiny_segmentation_config(folder / 'tokenizer'), folder, epochs=3,
        optim_wrapper=dict(
            constructor='expalign.TrainableOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.1),
            clip_grad=dict(max_norm=10.0)),
        custom_hooks=[dict(
            type='expalign.TrainableEMAHook', ema_type='mmyolo.ExpMomentumEMA', momentum=0.1,
            update_buffers=True, strict_load=False)],
        default_hooks=dict(checkpoint=dict(type='expalign.PlainCheckpointHook', interval=3)))
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    runner.train()
    return before, runner, torch.load(folder / 'epoch_3.pth', weights_only=True)


def frozen(names):
    return [name for name in names if name.startswith(ENCODERS)]


def test_weights_and_buffers_are_bit_identical(run):
    before, runner, _ = run
    after = runner.model.state_dict()
    assert len(frozen(after)) > 30
    for name in frozen(after):
        assert torch.equal(after[name], before[name]), name
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert {name.split('.')[0] for name in changed} == {'neck', 'bbox_head', 'text_adapter'}


def test_no_gradient_buffer(run):
    model = run[1].model
    losses = model(
        torch.randn(2, 3, 64, 64), [sample(['cat', 'dog']), sample(['owl'])], mode='loss')
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith(ENCODERS), name
        assert (parameter.grad is None) == name.startswith(ENCODERS), name
    model.zero_grad()


def test_no_optimizer_state(run):
    _, runner, checkpoint = run
    trained = [p for p in runner.model.parameters() if p.requires_grad]
    groups = runner.optim_wrapper.optimizer.param_groups
    assert {id(p) for group in groups for p in group['params']} == {id(p) for p in trained}
    assert len(checkpoint['optimizer']['state']) == len(trained)
    assert sum(state['exp_avg'].numel() for state in checkpoint['optimizer']['state'].values()) \
        == sum(p.numel() for p in trained)


def test_saved_once(run):
    checkpoint = run[2]
    assert frozen(checkpoint['state_dict'])
    assert not frozen(name.removeprefix('module.') for name in checkpoint['ema_state_dict'])


def test_eval_mode_and_no_graph_while_training(run):
    model = run[1].model.train()
    assert not any(part.training for part in (*model.backbone.modules(),
                                              *model.text_encoder.modules()))
    assert model.neck.training and model.bbox_head.training
    assert not any(feat.requires_grad for feat in model.backbone(torch.randn(2, 3, 64, 64)))
    assert not model.text_encoder(['cat'])[0].requires_grad


def test_gradients_are_clipped(run, monkeypatch):
    """The norm that is logged is the one before clipping; the step sees at most max_norm."""
    model = run[1].model
    wrapper = run[1].optim_wrapper
    seen = []
    monkeypatch.setattr(wrapper.optimizer, 'step', lambda: seen.append(torch.stack(
        [p.grad.norm() for p in model.parameters() if p.grad is not None]).norm().item()))
    losses = model(torch.randn(2, 3, 64, 64), [sample(['cat']), sample(['owl'])], mode='loss')
    wrapper.update_params(1000 * sum(losses.values()))
    logged = wrapper.message_hub.get_scalar('train/grad_norm').current()
    assert logged > 100 and seen == [pytest.approx(10.0, rel=1e-4)]
