"""Candidates and NMS in numpy equal those of the PyTorch head."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from expalign.runtime.postprocess import check_finite, class_wise_nms, select_candidates
from expalign.runtime.settings import DetectorSettings

SETTINGS = DetectorSettings(
    image_size=(64, 64), pad_value=114, channel_order='RGB', embed_dims=8, score_thr=0.3,
    nms_pre=50, iou_threshold=0.5, class_agnostic=False, max_per_img=20, multi_label=True)


@pytest.mark.parametrize('changes', [
    {}, dict(multi_label=False), dict(max_per_prompt=3, score_thr=0.0), dict(nms_pre=7)])
def test_candidates(changes):
    from expalign.models.dense_heads import select_candidates as expected_of
    settings = replace(SETTINGS, **changes)
    logits = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    *columns, valid = expected_of(
        logits[None], torch.ones(1, 5, dtype=torch.bool), settings.score_thr, settings.nms_pre,
        settings.multi_label, settings.max_per_prompt)
    scores, places, labels = (column[valid] for column in columns)
    assert 0 < len(scores) < 200
    found = select_candidates(logits.numpy(), settings)
    np.testing.assert_allclose(found[0], scores, rtol=1e-6)
    assert found[1].tolist() == places.tolist() and found[2].tolist() == labels.tolist()


@pytest.mark.parametrize('agnostic', [False, True])
@pytest.mark.parametrize('limit', [5, 1000])
def test_nms(agnostic, limit):
    from expalign.models.dense_heads.class_wise_nms import class_wise_nms as expected_of
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(300, 2, generator=generator) * 50
    boxes = torch.cat([corners, corners + 5 + torch.rand(300, 2, generator=generator) * 30], 1)
    scores = torch.rand(300, generator=generator).sort(descending=True).values
    labels = torch.randint(0, 4, (300,), generator=generator)
    settings = replace(SETTINGS, class_agnostic=agnostic, max_per_img=limit)
    nms = dict(type='nms', iou_threshold=0.5, class_agnostic=agnostic)
    expected = expected_of(boxes, scores, labels, nms, limit)
    found = class_wise_nms(boxes.numpy(), labels.numpy(), settings)
    assert found.tolist() == expected.tolist() and len(found) == min(limit, len(found)) > 4


def test_nothing_to_suppress():
    assert not len(class_wise_nms(np.zeros((0, 4), np.float32), np.zeros(0, int), SETTINGS))
    scores, places, labels = select_candidates(np.full((2, 3), -9, np.float32), SETTINGS)
    assert not len(scores) and not len(places) and not len(labels)


def test_outputs_that_are_no_numbers_are_refused():
    logits = np.zeros((2, 3, 5), dtype=np.float32)
    boxes = np.zeros((2, 5, 4), dtype=np.float32)
    images = ['a.jpg', np.zeros((4, 4, 3), dtype=np.uint8)]
    check_finite(dict(logits=logits, boxes=boxes, labels=np.zeros(7, dtype=int)), images)
    boxes[0, 1:3, 2] = np.nan
    with pytest.raises(ValueError, match="^image a.jpg: 2 of 40 numbers of the output 'boxes'"):
        check_finite(dict(logits=logits, boxes=boxes), images)
    logits[1, 0, 0] = np.inf
    with pytest.raises(ValueError, match="^image number 1: 1 of 30 numbers of the output 'logits'"):
        check_finite(dict(logits=logits), images)
    with pytest.raises(ValueError, match='^the network: 1 of 3 numbers'):
        check_finite(dict(scores=np.array([0, np.nan, 1], dtype=np.float32)), images)
