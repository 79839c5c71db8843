"""Training in bfloat16 on the CPU; on a GPU also in fp16."""

import pytest
import torch

from expalign.models.losses import info_nce, positive_cells
from tests.helpers.models import tiny_segmentation_config
from tests.helpers.runs import make_runner

LOSSES = ('loss', 'loss_cls', 'loss_bbox', 'loss_dfl', 'loss_mask', 'loss_sem', 'loss_geo')


def train(folder, wrapper):
    runner = make_runner(
        tiny_segmentation_config(folder / 'tokenizer'), folder / 'run', epochs=1,
        optim_wrapper=dict(wrapper, optimizer=dict(type='AdamW', lr=1e-3)),
        custom_hooks=[dict(type='expalign.FiniteLossHook')])
    seen = []
    runner.model.consistency.register_forward_pre_hook(
        lambda module, inputs: seen.append((inputs[0][0].dtype, torch.is_autocast_enabled('cpu'))))
    runner.train()
    return runner, seen


@pytest.fixture
def regulariser_types(monkeypatch):
    """Types and autocast state inside the two losses."""
    seen = []
    for module in (info_nce, positive_cells):
        prepare = module.prepare_map

        def spy(*args, prepare=prepare):
            result = prepare(*args)
            seen.append((result.dtype, torch.is_autocast_enabled('cpu')))
            return result

        monkeypatch.setattr(module, 'prepare_map', spy)
    return seen


def test_two_iterations_on_the_cpu(tmp_path, regulariser_types):
    runner, seen = train(tmp_path, dict(type='expalign.BFloat16OptimWrapper'))
    # The model runs in bfloat16; the consistency losses leave it.
    assert seen == [(torch.bfloat16, True)] * 2
    assert regulariser_types == [(torch.float32, False)] * 4
    for name in LOSSES:
        history = torch.from_numpy(runner.message_hub.get_scalar(f'train/{name}').data[0])
        assert len(history) == 2 and torch.isfinite(history).all() and history.all(), name
    # Weights, and the optimiser's state with them, stay in float32.
    assert {p.dtype for p in runner.model.parameters()} == {torch.float32}
    states = runner.optim_wrapper.optimizer.state.values()
    assert {state['exp_avg'].dtype for state in states} == {torch.float32}


def test_losses_are_near_those_of_float32(tmp_path):
    runs = [train(tmp_path / kind.split('.')[1], dict(type=kind))[0]
            for kind in ('expalign.BFloat16OptimWrapper', 'mmengine.OptimWrapper')]
    for name in ('loss_cls', 'loss_sem', 'loss_geo', 'loss_mask'):
        half, full = (run.message_hub.get_scalar(f'train/{name}').data[0][0] for run in runs)
        # The semantic loss divides maps of 8 significant bits by tau = 0.07.
        assert half != full
        assert half == pytest.approx(full, rel=0.02, abs=0.2 if name == 'loss_sem' else 0), name


@pytest.mark.gpu
@pytest.mark.parametrize('wrapper', [
    dict(type='expalign.BFloat16OptimWrapper'),
    dict(type='mmengine.AmpOptimWrapper', loss_scale='dynamic', dtype='float16')])
def test_two_iterations_on_a_gpu(tmp_path, wrapper):
    runner, _ = train(tmp_path, wrapper)
    for name in LOSSES:
        history = torch.from_numpy(runner.message_hub.get_scalar(f'train/{name}').data[0])
        assert len(history) == 2 and torch.isfinite(history).all(), name
