"""A training step never waits for the device, and calls as many operations for any batch."""

import pytest
import torch

from expalign.engine.step_cost import generated_batch
from expalign.registry import MODELS
from tests.helpers.dispatch_counts import count
from tests.helpers.models import sample, tiny_detector_config, tiny_segmentation_config

MAX_WAITS = 6
SIZES = ((2, 2), (8, 20))  # images and instances of each


@pytest.fixture(scope='module', params=['stage 1', 'stage 2 with masks'])
def model(request, tmp_path_factory):
    config = {'stage 1': tiny_detector_config, 'stage 2 with masks': tiny_segmentation_config}
    folder = tmp_path_factory.mktemp('tokenizer')
    torch.manual_seed(0)
    return MODELS.build(config[request.param](folder)).train()


def step(model, images, samples):
    loss, _ = model.parse_losses(model(images, samples, mode='loss'))
    loss.backward()
    model.zero_grad()


def listed_batch(number, instances):
    """Images, and samples that were not collated."""
    boxes = torch.rand(number, instances, 4) * 30
    boxes[..., 2:] += boxes[..., :2]
    samples = [
        sample([f'object {k} of {image}' for k in range(10)], boxes[image].tolist(),
               [k % 10 for k in range(instances)]) for image in range(number)]
    return torch.randn(number, 3, 64, 64), samples


@pytest.mark.parametrize('source', ['collated', 'listed', 'new prompts'])
def test_waits_and_operations(model, source):
    found = []
    for number, instances in SIZES:
        if source == 'listed':
            batch = listed_batch(number, instances)
        else:
            batch = generated_batch(model, number, 64, 10, instances)
        if source != 'new prompts':
            step(model, *batch)  # encodes the prompts
        else:
            model.text_encoder._forget()
        found.append(count(lambda batch=batch: step(model, *batch)))
        assert found[-1].waits.total() <= MAX_WAITS, found[-1].waits
    small, large = (counts.operations.total() for counts in found)
    assert small > 1000 and abs(large / small - 1) < 0.03
