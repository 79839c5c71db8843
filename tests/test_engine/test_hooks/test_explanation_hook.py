"""Explanations in the visualizer during validation."""

from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from expalign.engine.hooks import ExplanationHook
from expalign.registry import HOOKS, MODELS
from expalign.structures.known_classes import KnownClasses
from expalign.structures.thresholds import default_threshold
from tests.helpers.mini_model import write_mini_weights
from tests.helpers.models import sample, tiny_detector_config

IMAGE = 'demo/data/mini/val2017/000000404484.jpg'


@pytest.fixture
def runner(tmp_path):
    """What the hook reads of a runner, and the pictures that it adds."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(tiny_detector_config(tmp_path)).eval()
    pictures = []
    return SimpleNamespace(
        model=model, epoch=3, pictures=pictures, visualizer=SimpleNamespace(
            add_image=lambda name, image, step: pictures.append((name, image, step))))


def validate(hook, runner, batches):
    hook.before_val_epoch(runner)
    for index, size in enumerate(batches):
        samples = [sample(['cat', 'owl'], img_path=IMAGE) for _ in range(size)]
        for one in samples:
            one.set_metainfo(dict(ori_shape=(240, 320), scale_factor=(0.2, 0.2)))
        batch = dict(inputs=[torch.zeros(3, 64, 64, dtype=torch.uint8)] * size,
                     data_samples=samples)
        hook.before_val_iter(runner, index, batch)
        with torch.no_grad():
            outputs = runner.model.val_step(batch)
        hook.after_val_iter(runner, index, batch, outputs)


def test_first_images_of_each_validation(runner):
    hook = HOOKS.build(dict(type='expalign.ExplanationHook', num_images=3, score_thr=0.1))
    assert isinstance(hook, ExplanationHook)
    validate(hook, runner, [2, 2, 2])
    assert [(name, step) for name, _, step in runner.pictures] == [
        ('explanation_000000404484', 3)] * 3
    picture = runner.pictures[0][1]
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    validate(hook, runner, [2])
    assert len(runner.pictures) == 5
    assert not runner.model.neck._forward_hooks


def test_classes_are_drawn_at_thresholds_of_their_own(runner, monkeypatch):
    runner.model.known_classes = KnownClasses(('owl', 'cat'), (0.625, None))
    drawn = []
    monkeypatch.setattr('expalign.visualization.draw_explanation', lambda *args: (
        drawn.append(args[-1]), np.zeros((2, 2, 3), np.uint8))[1])
    validate(ExplanationHook(), runner, [1])
    assert drawn == [[default_threshold(2), 0.625]]


def test_wrong_number():
    with pytest.raises(ValueError, match='num_images must be 1 or more, got 0'):
        ExplanationHook(num_images=0)


def test_in_a_run(run_script, repo_root, tmp_path):
    weights = write_mini_weights(tmp_path / 'mini.pth')
    config = tmp_path / 'explained.py'
    config.write_text(
        f"_base_ = '{repo_root}/configs/mini/expalign_mini.py'\n"
        "custom_hooks = [dict(type='expalign.ExplanationHook', num_images=1)]\n"
        'test_dataloader = dict(dataset=dict(indices=2))\n')
    run_script('tools/test.py', config, weights, '--work-dir', tmp_path / 'work')
    (picture,) = (tmp_path / 'work').rglob('vis_image/explanation_*.png')
    assert mmcv.imread(picture).shape[1] > 1000
