"""Hand-over to the optional package supervision."""

import sys
from types import SimpleNamespace

import numpy as np
import pycocotools.mask as coco_mask
import pytest

from expalign.apis.supervision import to_supervision

PREDICTION = dict(
    bboxes=[[1.0, 2.0, 3.0, 4.0]], scores=[0.5], labels=[1], label_names=['a dog'])


def test_fields(monkeypatch):
    fake = SimpleNamespace(Detections=lambda **fields: fields)
    monkeypatch.setitem(sys.modules, 'supervision', fake)
    fields = to_supervision(PREDICTION)
    np.testing.assert_array_equal(fields['xyxy'], [[1, 2, 3, 4]])
    assert fields['confidence'].tolist() == [0.5]
    assert fields['class_id'].tolist() == [1]
    assert fields['mask'] is None
    assert fields['data']['class_name'].tolist() == ['a dog']
    mask = np.zeros((6, 5), np.uint8, order='F')
    mask[2:4, 1:3] = 1
    rle = coco_mask.encode(mask)
    fields = to_supervision(dict(PREDICTION, masks=[rle]))
    np.testing.assert_array_equal(fields['mask'][0], mask.astype(bool))
    nothing = to_supervision(dict(bboxes=[], scores=[], labels=[], label_names=[], masks=[]))
    assert nothing['xyxy'].shape == (0, 4)


def test_real_package():
    supervision = pytest.importorskip('supervision')
    found = to_supervision(PREDICTION)
    assert isinstance(found, supervision.Detections)
    assert found['class_name'].tolist() == ['a dog']


def test_absent_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', None)
    with pytest.raises(ImportError, match='pip install supervision'):
        to_supervision(PREDICTION)
