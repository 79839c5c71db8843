"""A training step on a GPU: the host never waits, as the CUDA runtime itself says."""

import warnings

import pytest
import torch

from expalign.engine.step_cost import generated_batch
from expalign.registry import MODELS
from tests.helpers.models import tiny_detector_config, tiny_segmentation_config

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize('config', [tiny_detector_config, tiny_segmentation_config])
def test_no_wait(tmp_path, config):
    torch.manual_seed(0)
    model = MODELS.build(config(tmp_path)).cuda().train()
    images, samples = generated_batch(model, 4, 64, 10, 6)
    assert samples.truth.boxes.is_pinned()

    def step() -> None:
        with torch.autocast('cuda', torch.bfloat16):
            losses = model(images, samples, mode='loss')
        loss, _ = model.parse_losses(losses)
        loss.backward()
        model.zero_grad()

    step()  # encodes the prompts
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            step()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    waits = [str(warning.message) for warning in caught if 'synchronizing' in str(warning.message)]
    assert not waits, waits
