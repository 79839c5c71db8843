"""What a prediction asks of the device: waits do not grow with the batch, operations hardly."""

import pytest
import torch
from benchmarks.model import sample
from mmengine.registry import init_default_scope

from expalign.models.dense_heads import class_wise_nms
from expalign.registry import MODELS
from tests.helpers.dispatch_counts import count
from tests.helpers.models import tiny_detector_config, tiny_segmentation_config

PROMPTS = ['cat', 'dog', 'person on a horse', 'red chair']
WAITS, OPERATIONS_AN_IMAGE = 6, 12


@pytest.fixture(scope='module', params=[tiny_detector_config, tiny_segmentation_config])
def model(request, tmp_path_factory):
    init_default_scope('mmdet')
    torch.manual_seed(0)
    config = request.param(tmp_path_factory.mktemp('tokenizer'))
    # Everything is found: 20 boxes an image, after a second look.
    config['test_cfg'] = dict(
        score_thr=0.0, nms_pre=1000, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7))
    return MODELS.build(config).eval()


@torch.no_grad()
def prediction(model, images, prompts, own):
    """The counts of a prediction for images that share their prompts, or have their own."""
    pixels = torch.randn(images, 3, 64, 64, generator=torch.Generator().manual_seed(images))
    samples = [sample(64) for _ in range(images)]
    if own:
        for number, one in enumerate(samples):
            one.set_metainfo(dict(text=[f'thing {number}', *PROMPTS[1:prompts]]))
    else:
        model.set_vocabulary(PROMPTS[:prompts])
    model.predict(pixels, samples)
    found = []
    counts = count(lambda: found.extend(model.predict(pixels, samples)))
    assert all(len(one.pred_instances) for one in found)
    return counts


@pytest.mark.parametrize('own', [False, True])
def test_waits_and_operations(model, own, monkeypatch):
    """The path of a GPU, which a CPU can take, too: two looks, one fetch each; masks three."""
    monkeypatch.setattr(class_wise_nms, 'on_gpu', lambda boxes: True)
    few, many = (prediction(model, images, 4, own) for images in (2, 8))
    assert few.waits.total() <= WAITS, few.waits
    assert many.waits.total() <= WAITS, many.waits
    more = many.operations.total() - few.operations.total()
    assert more <= 6 * OPERATIONS_AN_IMAGE, many.operations - few.operations


def test_a_cpu_takes_few_operations_an_image_too(model):
    few, many = (prediction(model, images, 4, False) for images in (2, 8))
    assert not set(many.waits) - {'numpy', 'tolist', 'nonzero'}  # of tensors that are there
    assert many.waits['nonzero'] == few.waits['nonzero'] <= 1
    more = many.operations.total() - few.operations.total()
    assert more <= 6 * OPERATIONS_AN_IMAGE, many.operations - few.operations


def test_the_number_of_prompts_changes_nothing(model):
    two, four = (prediction(model, 2, prompts, False) for prompts in (2, 4))
    assert four.waits == two.waits
    assert four.operations.total() == two.operations.total()
