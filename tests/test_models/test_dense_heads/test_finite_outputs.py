"""Outputs that are no numbers are refused with their image, and cost no further wait."""

import pytest
import torch

from expalign.models.dense_heads.finite_outputs import (
    NonFinitePrediction,
    count_non_finite,
    refuse_non_finite,
)
from tests.helpers.models import sample, tiny_detector_config, tiny_segmentation_config

PROMPTS = ['cat', 'dog', 'owl']


def test_counts():
    logits, boxes = torch.zeros(3, 4, 10), torch.zeros(3, 10, 4)
    masks = torch.ones(3, 4, dtype=torch.bool)
    logits[1, 2, 3], logits[1, 3, 3] = torch.nan, torch.inf
    logits[2, 3, 0], masks[2, 3] = torch.nan, False  # not asked for
    boxes[0, 1, 2], boxes[0, 1, 3], boxes[0, 7, 0] = torch.nan, torch.nan, -torch.inf
    other = torch.zeros(3, 2, 5, 5)
    other[2, 1, 1, 1] = torch.nan
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        assert count_non_finite(logits.to(dtype), boxes, masks, [other.to(dtype)]).tolist() == [
            [2, 0, 0], [0, 2, 0], [0, 0, 1]]


def test_many_large_scores_are_numbers():
    logits = torch.full((1, 2, 8400), 60000.0, dtype=torch.float16)
    counts = count_non_finite(logits, torch.zeros(1, 8400, 4), torch.ones(1, 2) > 0)
    assert counts.tolist() == [[0, 0, 0]]
    refuse_non_finite(counts.numpy(), 8400, 2, [{}])


@pytest.fixture(scope='module', params=['detection', 'segmentation'])
def model(request, tmp_path_factory):
    from expalign.registry import MODELS
    config = tiny_detector_config if request.param == 'detection' else tiny_segmentation_config
    torch.manual_seed(0)
    return MODELS.build(config(tmp_path_factory.mktemp('tokenizer'))).eval()


def predict(model, images):
    samples = [sample(PROMPTS, img_path=f'{index}.jpg') for index in range(len(images))]
    with torch.no_grad():
        return model.predict(images, samples)


def test_an_image_that_gives_no_numbers_is_named(model):
    images = torch.randn(2, 3, 64, 64)
    predict(model, images)
    images[1, 0, 5, 5] = torch.nan
    with pytest.raises(NonFinitePrediction, match=(
            r'image 1.jpg: \d+ of 84 predicted boxes and the scores of 3 of 3 prompts are not')):
        predict(model, images)


def test_weights_of_boxes_that_are_no_numbers(model):
    weight = model.bbox_head.head_module.box_branches[0][-1].weight
    before = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(torch.nan)
    try:
        with pytest.raises(NonFinitePrediction, match=r'image 0.jpg: \d\d of 84 predicted boxes '
                                                      'and the scores of 0 of 3 prompts'):
            predict(model, torch.randn(1, 3, 64, 64))
    finally:
        with torch.no_grad():
            weight.copy_(before)
