"""Prediction on a GPU finds what the CPU and the exported files find."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer

from expalign.apis import ExpAlignInferencer
from tests.helpers.exported import FORMS, IMAGES, make

pytestmark = pytest.mark.gpu

TEXTS = ['cat', 'dog', 'owl', 'a red cat']
# Rounding differs between the devices: so large a part of the boxes has a counterpart at least.
SHARE = 0.98


@pytest.fixture(autouse=True)
def full_precision():
    """TF32 off: it has ten bits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def share_matched(found, expected) -> float:
    """The part of the boxes of both sides that have a counterpart on the other."""
    from expalign.deploy.parity import Parity
    parity = Parity()
    parity.add(found, expected)
    total = len(found.scores) + len(expected.scores)
    assert total > 20
    return 1 - parity.unmatched / total


@pytest.mark.parametrize('form', FORMS)
def test_cpu_and_gpu_find_the_same(form, tmp_path):
    exported = make(form, tmp_path)
    before = [exported.torch(image, TEXTS) for image in IMAGES]
    exported.model.cuda()
    for image, expected in zip(IMAGES, before, strict=True):
        found = exported.torch(image, TEXTS)
        assert share_matched(found.cpu(), expected) >= SHARE
        if form == 'masks':
            same_masks(found, expected)


def same_masks(found, expected) -> None:
    """Masks of counterparts differ at the outline alone."""
    from pycocotools import mask as coco_mask

    from expalign.deploy.parity import Kept, counterparts
    sides = [Kept(*(getattr(side, name).cpu().numpy() for name in Kept._fields))
             for side in (found, expected)]
    places = counterparts(*sides)
    ious = [coco_mask.iou([dict(found.masks[i])], [dict(expected.masks[int(place)])], [0])[0, 0]
            for i, place in enumerate(places) if place >= 0]
    assert np.mean(ious) > 0.99


def test_inferencers_on_a_gpu(tmp_path):
    exported = make('masks', tmp_path)
    weights = str(tmp_path / 'tiny.pth')
    torch.save(dict(state_dict=exported.model.state_dict(), meta={}), weights)
    results = []
    for kind, texts in ((DetInferencer, 'cat . dog'), (ExpAlignInferencer, ['cat', 'dog'])):
        inferencer = kind(deepcopy(exported.cfg), weights, device='cuda', show_progress=False)
        assert next(inferencer.model.parameters()).is_cuda
        options = dict(custom_entities=True) if kind is DetInferencer else {}
        results.append(inferencer(IMAGES[0], texts=texts, **options)['predictions'][0])
    assert results[0]['labels'] == results[1]['labels']
    np.testing.assert_allclose(results[0]['scores'], results[1]['scores'], atol=1e-5)


@pytest.mark.parametrize('form', ['none', 'masks'])
def test_exported_files_find_what_the_gpu_finds(form, tmp_path):
    pytest.importorskip('onnx', reason='needs onnx')
    pytest.importorskip('onnxruntime', reason='needs onnxruntime')
    from tests.helpers.exported import export
    exported = export(form, tmp_path)
    detector = exported.onnx(image_size=(320, 320))
    (found,) = detector(IMAGES[0], TEXTS, score_thr=0)
    exported.model.cuda()
    expected = exported.torch(IMAGES[0], TEXTS, size=320).cpu()
    assert share_matched(found, expected) >= SHARE


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_scores(dtype, tmp_path):
    exported = make('none', tmp_path)
    exported.model.cuda()
    expected = exported.torch(IMAGES[0], TEXTS)
    with torch.autocast('cuda', dtype):
        found = exported.torch(IMAGES[0], TEXTS)
    assert found.scores[0].item() == pytest.approx(expected.scores[0].item(), abs=0.05)
