"""Costs of a training step: arithmetic by hand, and a measured model of one convolution."""

import pytest
from torch import nn

from expalign.engine.step_cost import StepCost, measure_step
from expalign.registry import MODELS
from tests.helpers.models import tiny_segmentation_config

COST = StepCost(
    trained=100, frozen=1000, fixed_bytes=8.0, sample_bytes=16.0, sample_flops=3.0,
    sample_seconds=0.5, norms=2)


def test_memory_by_hand():
    # 4 bytes x (weights, gradients, two moments and average of 100; 1000 frozen) = 6000.
    assert COST.memory(0) == 6008
    assert COST.memory(16) == 6000 + 8 + 16 * 16
    assert COST.memory(16, 0.5) == 6000 + (8 + 16 * 16) / 2


@pytest.mark.parametrize(('processes', 'sent'), [(1, 0), (2, 400), (8, 700), (64, 787.5)])
def test_ring_all_reduce_by_hand(processes, sent):
    assert COST.gradient_bytes() == 400
    assert COST.sent_bytes(processes) == sent


class OneConvolution(nn.Module):
    """A frozen linear layer and a trained 1 x 1 convolution from 3 to 8 channels, squared."""

    def __init__(self) -> None:
        super().__init__()
        self.text_encoder = nn.Identity()
        self.frozen = nn.Linear(5, 5).requires_grad_(False)
        self.conv = nn.Conv2d(3, 8, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, images, samples, mode):
        assert mode == 'loss' and len(images) == len(samples)
        assert all(len(sample.text) == 7 for sample in samples)
        return dict(loss=self.norm(self.conv(images)).square().sum())


def test_measured_numbers_by_hand():
    cost = measure_step(OneConvolution(), size=10, prompts=7, instances=3)
    # Weights: 24 + 8 + 8 trained; 30 frozen; running mean, variance and count of 17.
    assert (cost.trained, cost.frozen, cost.norms) == (40, 30 + 17, 1)
    # Kept: the image (3), the convolution's result (8) and the norm's (8), 100 cells each.
    assert cost.sample_bytes == 4 * 100 * (3 + 8 + 8)
    # Two operations x 100 cells x 3 x 8, once forward and once for the weight's gradient.
    assert cost.sample_flops == 2 * 2 * 100 * 3 * 8
    assert cost.sample_seconds > 0


def test_detector_with_all_losses(tmp_path):
    model = MODELS.build(tiny_segmentation_config(tmp_path))
    cost = measure_step(model, size=64, prompts=4, instances=5)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert cost.trained == trained
    assert cost.sample_flops > 1e6 and cost.sample_bytes > 1e5 > cost.fixed_bytes
    assert all(p.grad is None for p in model.parameters())
