"""What cannot be exported is refused, and forms of lower precision."""

from copy import deepcopy

import numpy as np
import pytest

from expalign.runtime import OnnxDetector
from tests.helpers.exported import IMAGES


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
    (expected,) = detector(IMAGES[0], score_thr=0)
    half, small = tmp_path / 'half.onnx', tmp_path / 'small.onnx'
    to_float16(exported.detector_file, half)
    to_int8(exported.detector_file, small, [Path(image) for image in IMAGES], detector)
    for path, tolerance in ((half, 0.01), (small, 0.2)):
        form = OnnxDetector(path, exported.text_file, threads=1, image_size=(320, 320))
        assert form.settings == detector.settings
        (found,) = form(IMAGES[0], ['cat', 'owl'], score_thr=0)
        assert found.scores[0] == pytest.approx(expected.scores[0], abs=tolerance)
        assert not np.array_equal(found.scores, expected.scores)
