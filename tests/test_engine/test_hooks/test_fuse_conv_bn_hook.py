"""Fused convolutions: the same predictions without a norm behind a convolution."""

from types import SimpleNamespace

import torch
from mmcv.cnn import ConvModule
from mmengine.runner import get_priority
from torch import nn

from expalign.registry import HOOKS, MODELS
from tests.helpers.models import sample, tiny_detector_config


def predict(model, images):
    samples = [sample(text=['a cat', 'a red dog', 'tree']) for _ in images]
    with torch.no_grad():
        return [found.pred_instances for found in model.predict(images, samples)]


def test_predictions_stay_the_same(tmp_path):
    torch.manual_seed(0)
    model = MODELS.build(tiny_detector_config(tmp_path)).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    images = torch.randn(2, 3, 64, 64)
    before = predict(model, images)
    runner = SimpleNamespace(model=model)
    hook = HOOKS.build(dict(type='expalign.FuseConvBNHook'))
    hook.before_test_epoch(runner)
    modules = [module for module in runner.model.modules() if isinstance(module, ConvModule)]
    assert modules and all(isinstance(module.norm, nn.Identity) for module in modules)
    for old, new in zip(before, predict(runner.model, images), strict=True):
        assert len(old.scores) > 0
        torch.testing.assert_close(new.scores, old.scores, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(
            new.bboxes.sort(0).values, old.bboxes.sort(0).values, rtol=1e-3, atol=1e-2)
    hook.after_test_epoch(runner)
    assert runner.model is model and any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_weights_are_copied_behind_the_moving_average():
    hooks = [dict(type='expalign.FuseConvBNHook'), dict(type='expalign.TrainableEMAHook')]
    fuse, average = (get_priority(HOOKS.build(hook).priority) for hook in hooks)
    assert fuse > average  # a larger number is called later
