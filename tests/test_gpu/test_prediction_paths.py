"""What only a GPU computes: its own forms of alignment and NMS, masks there, waits, graphs."""

import warnings
from copy import deepcopy

import pytest
import torch
from benchmarks.model import sample
from pycocotools import mask as coco_mask

from expalign.engine.compiled import compile_model
from expalign.models.dense_heads import decode_masks
from expalign.models.dense_heads.class_wise_nms import batch_nms
from expalign.models.layers.dense_expectation import by_operations
from tests.test_gpu.test_prediction import full_precision, make  # noqa: F401
from tests.test_models.test_dense_heads.test_class_wise_nms import NMS
from tests.test_models.test_dense_heads.test_greedy_nms import batch_of
from tests.test_models.test_dense_heads.test_mask_decode import masks_of_all_kinds
from tests.test_models.test_layers.test_folded_alignment import (
    embeddings,
    fold,
    folded,
    hidden_maps,
    tokens,
)

pytestmark = pytest.mark.gpu


@torch.no_grad()
@pytest.mark.parametrize('count', [4, 1])
def test_alignment(count):
    levels = embeddings(torch.float32)
    feats, masks = tokens(count, dtype=torch.float32)
    masks[3] = False
    hidden = hidden_maps(torch.float32, images=3)
    expected = folded(hidden, fold(levels, feats, masks))
    levels = [(conv.cuda(), norm.cuda()) for conv, norm in levels]
    table = fold(levels, feats.cuda(), masks.cuda())
    assert table.dense
    for layout in (torch.contiguous_format, torch.channels_last):
        maps = [x.cuda().to(memory_format=layout) for x in hidden]
        for one, other in zip(folded(maps, table), expected, strict=True):
            for a, b in zip(one, other, strict=True):
                torch.testing.assert_close(a.cpu(), b, rtol=1e-4, atol=1e-4)
    with torch.autocast('cuda', torch.float16):
        logits, weights = folded([x.half() for x in maps], table)
    assert logits[0].dtype == torch.float16 and weights[0].dtype == torch.float32
    torch.testing.assert_close(logits[0].float().cpu(), expected[0][0], rtol=0.01, atol=0.05)


@torch.no_grad()
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_alignment_by_kernels(dtype):
    """Two kernels and a product a level: twice as many operations as a static head at most."""
    kernels = pytest.importorskip('expalign.models.layers.alignment_kernels')
    generator = torch.Generator().manual_seed(0)
    feats, masks = tokens(4, dtype=torch.float32)
    masks[3] = False
    levels = [(conv.cuda(), norm.cuda()) for conv, norm in embeddings(torch.float32)]
    table = fold(levels, feats.cuda(), masks.cuda())
    for layout in (torch.contiguous_format, torch.channels_last):
        hidden = [torch.randn(x.shape, generator=generator).to('cuda', dtype, memory_format=layout)
                  for x in hidden_maps(torch.float32, images=3)]
        exact = by_operations([x.float() for x in hidden], table, 1.0)
        weights, expected = kernels.expectation(hidden, table, 1.0)
        torch.testing.assert_close(weights, exact[0], rtol=0, atol=1e-5)
        error = (expected.float() - exact[1]).abs().max() / exact[1].abs().max()
        assert error < max(torch.finfo(dtype).eps, 1e-5)
        folded(hidden, table)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            folded(hidden, table)
            torch.cuda.synchronize()
        names = [event.name for event in profile.events()]
        assert sum('_means' in name or '_expectation' in name for name in names) == 2
        assert not any('softmax' in name for name in names)


@pytest.mark.parametrize('classes', [1, 5, 1203])
def test_nms_keeps_the_same_boxes_as_on_the_cpu(classes):
    boxes, labels, valid = batch_of(1700, classes, (0, 1, 2))
    scores = torch.linspace(1, 0.5, 1700).expand(3, -1)
    for options in (NMS, dict(NMS, class_agnostic=True)):
        args = boxes, scores, labels, valid
        order, count, _ = batch_nms(*args, options, 300, 1536)
        found, number, settled = batch_nms(*(x.cuda() for x in args), options, 300, 1536)
        assert settled.all() and torch.equal(number.cpu(), count)
        for image in range(3):
            assert torch.equal(found[image, :count[image]].cpu(), order[image, :count[image]])


def test_masks():
    frame = (97, 131), (1.22, 1.22), (0.0, 20.7)
    logits, boxes = masks_of_all_kinds(frame[0])
    expected = decode_masks(logits, boxes, *frame)
    found = decode_masks(logits.cuda(), boxes.cuda(), *frame)
    for one, other in zip(found, expected, strict=True):
        areas = coco_mask.area(dict(one)), coco_mask.area(dict(other))
        # A logit of zero may be rounded to either side.
        assert abs(int(areas[0]) - int(areas[1])) <= 2
        assert max(areas) < 50 or coco_mask.iou([dict(one)], [dict(other)], [0])[0, 0] > 0.99


@torch.no_grad()
@pytest.mark.parametrize('form', ['none', 'masks'])
def test_a_prediction_waits_at_most_six_times(form, tmp_path):
    model = make(form, tmp_path).model.cuda()
    model.set_vocabulary(['cat', 'dog', 'owl'])
    for images in (2, 8):
        pixels = torch.randn(images, 3, 320, 320, device='cuda')
        samples = [sample(320) for _ in range(images)]
        model.predict(pixels, samples)
        torch.cuda.synchronize()
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('always')
            torch.cuda.set_sync_debug_mode('warn')
            try:
                model.predict(pixels, samples)
            finally:
                torch.cuda.set_sync_debug_mode('default')
        waits = [str(one.message) for one in seen if 'synchronizing' in str(one.message)]
        assert len(waits) <= 6, waits


@torch.no_grad()
@pytest.mark.parametrize('form', ['none', 'masks'])
def test_compiled_parts_as_graphs(form, tmp_path):
    """Two sizes of batches, several times each: no result is overwritten by a later batch."""
    model = make(form, tmp_path).model.cuda()
    model.set_vocabulary(['cat', 'dog', 'owl'])
    compiled = deepcopy(model)
    compile_model(compiled, cuda_graphs=True)
    kept = []
    for images in (1, 1, 1, 2, 1, 2):
        pixels = torch.randn(images, 3, 320, 320, device='cuda')
        kept.append([[one.pred_instances for one in either.predict(
            pixels, [sample(320) for _ in range(images)])] for either in (model, compiled)])
    for expected, found in kept:
        for one, other in zip(expected, found, strict=True):
            count = min(len(one), len(other), 20)
            torch.testing.assert_close(
                other.scores[:count], one.scores[:count], rtol=1e-3, atol=1e-4)
