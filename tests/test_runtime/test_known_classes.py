"""A model that knows its classes, exported: baked with tuned prompts, or named for a text side."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from expalign.runtime import OnnxDetector
from expalign.structures.known_classes import KnownClasses
from tests.helpers.exported import IMAGES, make

KNOWN = KnownClasses(('a cat', 'dog'), (0.25, None), exclusive=True)


@pytest.fixture(scope='module')
def exported(tmp_path_factory, run_at_root):
    """A tiny detector, which knows two classes and has prompts tuned for them."""
    from expalign.models.text_encoders import TunedPrompts
    exported = make('max_sigmoid', tmp_path_factory.mktemp('known'))
    tuned = TunedPrompts(2, exported.model.neck.embed_dims)
    torch.nn.init.normal_(tuned.offsets, generator=torch.Generator().manual_seed(0))
    exported.model.known_classes, exported.model.tuned_prompts = KNOWN, tuned
    return exported


def torch_finds(exported, image):
    """PyTorch's detections without a text, at 320 px."""
    from copy import deepcopy

    from mmcv.transforms import Compose
    from mmdet.apis import inference_detector
    steps = [step for step in deepcopy(exported.cfg.test_dataloader.dataset.pipeline)
             if 'LoadAnnotations' not in step.type]
    for step in steps:
        if 'scale' in step:
            step.scale = (320, 320)
    return inference_detector(exported.model, image, Compose(steps)).pred_instances


def test_baked_classes_equal_those_of_pytorch(exported, tmp_path):
    from expalign.deploy.export_graph import baked_tokens, export_detector
    path, names = tmp_path / 'm.onnx', list(KNOWN.names)
    export_detector(exported.model, exported.settings(vocabulary=names), path,
                    baked_tokens(exported.model, names))
    detector = OnnxDetector(path, threads=1, image_size=(320, 320))
    assert detector.known_classes == KNOWN
    (found,), expected = detector(IMAGES[0], score_thr=0), torch_finds(exported, IMAGES[0])
    assert 0 < len(found.scores) == len(expected)
    np.testing.assert_allclose(found.scores, expected.scores.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.boxes, expected.bboxes.numpy(), atol=0.05)
    assert found.names == list(expected.label_names)
    # The same prompts, given as a text, may name one thing twice.
    assert len(detector(IMAGES[0], names, score_thr=0)[0].scores) > len(found.scores)


def test_a_text_side_has_no_tuned_prompts(exported, tmp_path):
    from expalign.deploy.export_settings import ExportError
    from expalign.deploy.export_text import export_text_side
    with pytest.raises(ExportError, match='tuned prompts'):
        export_text_side(exported.model, tmp_path / 'text.onnx')
    assert not list(tmp_path.iterdir())


def test_known_classes_are_searched_for_with_a_text_side(exports, monkeypatch):
    exported = exports('max_sigmoid')
    detector = exported.onnx(image_size=(320, 320))
    with pytest.raises(ValueError, match='no prompts'):
        detector(IMAGES[0])
    known = replace(KNOWN, exclusive=False)
    monkeypatch.setattr(detector, 'known_classes', known)
    (found,), (asked,) = (
        detector(IMAGES[0], texts, score_thr=0) for texts in (None, list(known.names)))
    assert len(found.scores) and found.scores.tolist() == asked.scores.tolist()
    assert detector(IMAGES[0], ['owl'])[0].names[:1] in ([], ['owl'])
