"""What the ONNX detector refuses and gives, and features from elsewhere."""

import json
from copy import deepcopy

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest

import expalign
from expalign.runtime import OnnxDetector
from expalign.runtime.postprocess import class_wise_nms, clip_boxes
from expalign.structures.thresholds import default_threshold
from tests.helpers.exported import IMAGES


def test_prompts_are_checked(exports):
    exported = exports('none')
    detector = exported.onnx()
    with pytest.raises(ValueError, match=r'no prompts: give texts=\[...\]'):
        detector(IMAGES[0])
    for wrong in ([], ['cat', ' ']):
        with pytest.raises(ValueError, match='give at least one, e.g.|only white space'):
            detector.set_vocabulary(wrong)
    with pytest.raises(TypeError, match='prompts must be a string or a list of strings, got int'):
        detector.set_vocabulary(3)
    with pytest.raises(ValueError, match='no text side'):
        OnnxDetector(exported.detector_file).set_vocabulary(['cat'])
    with pytest.raises(ValueError, match='both sides must be multiples of 32'):
        exported.onnx(image_size=(640, 100))
    with pytest.raises(ValueError, match='text.onnx is not a detector that'):
        OnnxDetector(exported.text_file)


def test_prompts_are_encoded_once(exports, monkeypatch):
    detector = exports('none').onnx(image_size=(64, 64))
    calls = []
    encode = detector.text_side.encode
    monkeypatch.setattr(
        detector.text_side, 'encode', lambda prompts: calls.append(prompts) or encode(prompts))
    for _ in range(2):
        detector(IMAGES, ['cat', 'dog', 'cat'])
    assert calls == [['cat', 'dog']]


def test_strings_are_split_and_case_does_not_count(exports):
    detector = exports('none').onnx(image_size=(64, 64))
    (listed,) = detector(IMAGES[0], ['Cat', 'dog'], score_thr=0)
    assert set(listed.names) == {'Cat', 'dog'}
    for texts in ('Cat, dog', 'Cat. dog.', ['Cat', 'dog', 'CAT', ' dog']):
        (found,) = detector(IMAGES[0], texts, score_thr=0)
        assert found.names == listed.names
        assert np.array_equal(found.boxes, listed.boxes)


def test_candidates(exports):
    detector = exports('none').onnx(image_size=(320, 320))
    prompts = ['dog', 'cat', 'dog', 'owl']
    (found,) = detector(IMAGES[0], prompts, score_thr=0)
    given = detector.candidates(IMAGES[0], prompts)
    assert len(given.scores) > len(found.scores) and set(given.labels) == {0, 1, 3}
    keep = class_wise_nms(given.boxes, given.labels, given.settings)
    for name, values in (('boxes', clip_boxes(given.boxes, given.size)),
                         ('scores', given.scores), ('labels', given.labels)):
        assert np.array_equal(values[keep], getattr(found, name))


def test_features_from_elsewhere(exports):
    exported = exports('none')
    whole = exported.onnx(image_size=(320, 320))
    (expected,) = whole(IMAGES[0], ['cat', 'owl'], score_thr=0)
    detector = OnnxDetector(exported.detector_file, threads=1, image_size=(320, 320))
    feats, masks = whole.text_side.encode(['cat', 'owl'])
    detector.set_text_features(['first', 'second'], feats, masks)
    (found,) = detector(IMAGES[0], score_thr=0)
    assert np.array_equal(found.boxes, expected.boxes) and len(found.labels) > 5
    assert set(found.names) == {'first', 'second'}
    with pytest.raises(ValueError, match=r'3 names need txt_feats \(K, L, 10\)'):
        detector.set_text_features(['a', 'b', 'c'], feats, masks)


def test_text_sides_of_other_models(exports, tmp_path):
    from expalign.deploy.export_text import export_text_side
    exported = exports('none')
    model = deepcopy(exported.model)
    model.neck.embed_dims = 12
    export_text_side(model, tmp_path / 'text.onnx')
    with pytest.raises(ValueError, match='features of width 12, .* takes 10: they are of differen'):
        OnnxDetector(exported.detector_file, tmp_path / 'text.onnx')


def test_results_are_those_of_every_other_way(exports, tmp_path):
    """The project's ``Detections``: thresholds, pictures and forms, with masks."""
    detector = exports('masks').onnx(image_size=(320, 320))
    (found,), (every,) = detector(IMAGES[0], ['cat', 'owl']), detector(
        IMAGES[0], ['cat', 'owl'], score_thr=0)
    assert type(found) is expalign.Detections and found.path == IMAGES[0]
    assert found.thresholds == [default_threshold(2)] * 2
    assert len(every) == (every.scores >= 0).sum() > 5
    assert np.array_equal(found.scores, every.scores[every.scores >= default_threshold(2)])
    some = every[:3]
    record = json.loads(some.save(tmp_path / 'a.json').read_text())
    assert record == some.to_dict() and record['schema'] == 'expalign.detections'
    assert record['model'] == detector.name and record['image'] == IMAGES[0]
    assert [entry['score'] for entry in record['detections']] == [
        round(float(score), 4) for score in every.scores[:3]]
    mask = coco_mask.decode(record['detections'][0]['mask'])
    assert np.array_equal(mask, every.masks[0]) and mask.shape == every.size
    assert hasattr(every.masks.items[0], 'on_image')  # crops until they are asked for
    assert len(some.to_coco()) == len(some.to_yolo().splitlines()) == 3
    picture = cv2.imread(str(some.save(tmp_path / 'a.png')))
    assert np.array_equal(picture[..., ::-1], some.plot()) and picture.shape[:2] == some.size
    with pytest.raises(RuntimeError, match='exported models have none'):
        found.explain()
    array = cv2.imread(IMAGES[0])
    (same,) = detector(array, ['cat', 'owl'], 0)
    assert same.path is None and np.array_equal(same[:3].plot(), some.plot())


def test_wrong_arguments(exports):
    detector = exports('none').onnx(image_size=(64, 64))
    with pytest.raises(TypeError, match="unknown argument 'conf' .* did you mean score_thr"):
        detector(IMAGES[0], ['cat'], conf=0.5)
    with pytest.raises(ValueError, match="the lowest score 3 is no number from 0 to 1, nor 'auto'"):
        detector(IMAGES[0], ['cat'], score_thr=3)
    with pytest.raises(ValueError, match='2 lowest scores for 1 prompts'):
        detector(IMAGES[0], ['cat'], score_thr=[0.1, 0.2])
