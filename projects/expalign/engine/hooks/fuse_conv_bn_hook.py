"""Folds batch normalisation into convolutions for a test."""

from copy import deepcopy

import torch
from mmcv.cnn import fuse_conv_bn
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from expalign.registry import HOOKS


@HOOKS.register_module()
class FuseConvBNHook(Hook):
    """Tests a faster copy of the model; its predictions are the same but for rounding.

    In the copy, batch normalisation is folded into the convolution in front of it (mmcv's
    ``fuse_conv_bn``), and weights lie with channels last in memory; figures are
    in docs/performance.md.
    """

    priority = 'LOW'  # behind the moving average, which exchanges weights before a test

    def __init__(self) -> None:
        self._whole: nn.Module | None = None

    def before_test_epoch(self, runner: Runner) -> None:
        """Put the copy in the place of the model."""
        self._whole = runner.model
        model = self._whole.module if is_model_wrapper(self._whole) else self._whole
        runner.model = fuse_conv_bn(deepcopy(model)).to(memory_format=torch.channels_last)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Put the model back."""
        runner.model, self._whole = self._whole, None
