"""What the ONNX detector refuses, features from elsewhere, and what may be exported."""

from copy import deepcopy

import numpy as np
import pytest

from expalign.deploy import OnnxDetector
from expalign.deploy.postprocess import class_wise_nms, clip_boxes
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
    (listed,) = detector(IMAGES[0], ['Cat', 'dog'])
    assert set(listed.label_names) == {'Cat', 'dog'}
    for texts in ('Cat, dog', 'Cat. dog.', ['Cat', 'dog', 'CAT', ' dog']):
        (found,) = detector(IMAGES[0], texts)
        assert found.label_names == listed.label_names
        assert np.array_equal(found.bboxes, listed.bboxes)


def test_candidates(exports):
    detector = exports('none').onnx(image_size=(320, 320))
    prompts = ['dog', 'cat', 'dog', 'owl']
    (found,) = detector(IMAGES[0], prompts)
    given = detector.candidates(IMAGES[0], prompts)
    assert len(given.scores) > len(found.scores) and set(given.labels) == {0, 1, 3}
    keep = class_wise_nms(given.boxes, given.labels, given.settings)
    for name, values in (('bboxes', clip_boxes(given.boxes, given.size)),
                         ('scores', given.scores), ('labels', given.labels)):
        assert np.array_equal(values[keep], getattr(found, name))


def test_features_from_elsewhere(exports):
    exported = exports('none')
    whole = exported.onnx(image_size=(320, 320))
    (expected,) = whole(IMAGES[0], ['cat', 'owl'])
    detector = OnnxDetector(exported.detector_file, threads=1, image_size=(320, 320))
    feats, masks = whole.text_side.encode(['cat', 'owl'])
    detector.set_text_features(['first', 'second'], feats, masks)
    (found,) = detector(IMAGES[0])
    assert np.array_equal(found.bboxes, expected.bboxes) and len(found.labels) > 5
    assert set(found.label_names) == {'first', 'second'}
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


@pytest.mark.parametrize(('change', 'message'), [
    (dict(nms=dict(type='soft_nms', iou_threshold=0.5)), 'only type="nms" can be exported'),
    (dict(nms=dict(type='nms', iou_threshold=0.5, split_thr=3)), 'only type="nms"'),
])
def test_settings_that_cannot_be_exported(exports, change, message):
    from expalign.deploy.export_settings import ExportError
    exported = exports('none')
    head, before = exported.model.bbox_head, exported.model.bbox_head.test_cfg
    try:
        head.test_cfg = type(before)({**before, **change})
        with pytest.raises(ExportError, match=message):
            exported.settings()
        head.test_cfg = type(before)({**before, 'multi_label': False})
        with pytest.raises(ExportError, match='--nms: multi_label=False'):
            exported.settings(nms_inside=True)
        assert exported.settings().multi_label is False
    finally:
        head.test_cfg = before


def test_pipelines_that_cannot_be_exported(exports):
    from expalign.deploy.export_settings import ExportError, detector_settings
    exported = exports('none')
    for index, key, value, message in (
            (1, 'scale', (320, 320), 'must have one scale'),
            (2, 'allow_scale_up', True, 'must have mmyolo.LetterResize with'),
            (1, 'type', 'mmdet.Resize', 'must have mmyolo.YOLOv5KeepRatioResize')):
        cfg = deepcopy(exported.cfg)
        cfg.test_dataloader.dataset.pipeline[index][key] = value
        with pytest.raises(ExportError, match=message):
            detector_settings(cfg, exported.model, None, False)


def test_repeated_prompts_are_not_baked(exports):
    from expalign.deploy.export_graph import baked_tokens
    from expalign.deploy.export_settings import ExportError
    with pytest.raises(ExportError, match=r"names prompts twice: \['cat'\]"):
        baked_tokens(exports('none').model, ['cat', 'dog', 'cat'])


def test_half_precision_and_8_bits(exports, tmp_path):
    from pathlib import Path

    from expalign.deploy.export_precision import to_float16, to_int8
    exported = exports('max_sigmoid')
    detector = exported.onnx(image_size=(320, 320))
    detector.set_vocabulary(['cat', 'owl'])  # those of the measurement
    (expected,) = detector(IMAGES[0])
    half, small = tmp_path / 'half.onnx', tmp_path / 'small.onnx'
    to_float16(exported.detector_file, half)
    to_int8(exported.detector_file, small, [Path(image) for image in IMAGES], detector)
    for path, tolerance in ((half, 0.01), (small, 0.2)):
        form = OnnxDetector(path, exported.text_file, threads=1, image_size=(320, 320))
        assert form.settings == detector.settings
        (found,) = form(IMAGES[0], ['cat', 'owl'])
        assert found.scores[0] == pytest.approx(expected.scores[0], abs=tolerance)
        assert not np.array_equal(found.scores, expected.scores)
