"""Every shipped config is parsed and built; the main recipe says what the paper says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope

from expalign.engine.random_encoders import with_random_encoders, write_placeholder_tokenizer
from expalign.registry import MODELS
from tests.helpers.models import sample

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts)
MAIN = 'configs/expalign_cnxt_o365.py'


@pytest.fixture(autouse=True)
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(scope='module')
def offline(tmp_path_factory):
    """Makes a config buildable without hub access or real data."""
    folder = tmp_path_factory.mktemp('offline')
    tokenizer = write_placeholder_tokenizer(folder / 'tokenizer')
    vectors = str(folder / 'vectors.npz')
    np.savez(vectors, names=['cat', 'dog'], vectors=np.eye(2, 512, dtype=np.float32))

    def convert(path: str) -> Config:
        cfg = with_random_encoders(Config.fromfile(path), tokenizer, tiny=True)
        if 'vectors' in cfg.model.text_encoder:
            cfg.model.text_encoder.vectors = vectors
        return cfg

    return convert


@pytest.mark.parametrize('path', CONFIGS)
def test_config_builds_and_gives_finite_losses_and_boxes(path, offline):
    cfg = offline(path)
    assert cfg.default_scope == 'mmdet'
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    images = torch.randn(2, 3, 64, 64)
    samples = [sample(['cat', 'dog']), sample(['dog'])]
    losses = model.train().loss(images, samples)
    assert all(torch.isfinite(value) for value in losses.values())
    with torch.no_grad():
        assert len(model.eval().predict(images, samples)) == 2


def test_main_recipe_is_the_papers_stage_1(offline):
    cfg = offline(MAIN)
    assert cfg.train_cfg.max_epochs == 30
    assert cfg.train_dataloader.batch_size * 8 == cfg.auto_scale_lr.base_batch_size == 128
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert {id(group['params'][0]) for group in groups} == trained
    assert {group['betas'] for group in groups} == {(0.9, 0.999)}
    assert {group['weight_decay'] for group in groups} == {0.0, 0.025}
    for group in groups:
        (parameter,) = group['params']
        # Norms, biases, logit scales (all of one axis at most) are not decayed.
        decayed = parameter.dim() > 1
        assert (group['weight_decay'] == 0.025) == decayed
    assert cfg.train_pipeline[-2]['num_prompts'] == 80


def test_learning_rate_curve_of_stage_1(offline):
    cfg = offline(MAIN)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2e-3)
    iterations = 10
    schedulers = []
    for scheduler in cfg.param_scheduler:
        settings = dict(scheduler)
        assert settings.pop('convert_to_iter_based')
        schedulers.append(PARAM_SCHEDULERS.get(settings.pop('type')).build_iter_from_epoch(
            **settings, optimizer=optimizer, epoch_length=iterations))
    rates = []
    for _ in range(30 * iterations):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert rates[0] < 1e-10
    assert rates[15] == pytest.approx(2e-3 * 15 / 29)
    assert rates[30] == pytest.approx(2e-3)
    assert rates[165] == pytest.approx(2e-3 * 0.55, rel=0.01)  # half of the cosine
    assert rates[-1] == pytest.approx(2e-4, rel=0.01)
    assert all(a <= b for a, b in zip(rates[:30], rates[1:31], strict=True))


def test_mosaic_is_switched_off_for_the_last_two_epochs(offline):
    cfg = offline(MAIN)
    (hook,) = [hook for hook in cfg.custom_hooks if 'PipelineSwitch' in hook.type]
    assert hook.switch_epoch == 28
    assert 'mmyolo.Mosaic' in [step.type for step in cfg.train_pipeline]
    assert 'mmyolo.Mosaic' not in [step.type for step in hook.switch_pipeline]
