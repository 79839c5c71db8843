"""The ONNX detector finds what PyTorch finds, to the figures that docs/deployment.md states."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from expalign.deploy.parity import Parity
from expalign.runtime import Detections, OnnxDetector
from tests.helpers.exported import FORMS, IMAGES

# K = 1, 3 and 7; L from 2 tokens to 20.
VOCABULARIES = (
    ['cat'], ['a cat', 'owl', 'dog'],
    ['cat', 'dog', 'red', 'a red dog', 'owls', 'a very long prompt', 'x'])


def assert_same(found, expected) -> None:
    """Same number, classes and order; boxes and scores within the tolerances."""
    parity = Parity()
    parity.add(found, expected)
    assert parity.boxes > 5 and not parity.unmatched and not parity.disordered, str(parity)
    if not parity.moved:
        names = expected.names if isinstance(expected, Detections) else expected.label_names
        assert found.names == list(names)


def detections(scores, labels, shift=0.0):
    boxes = np.arange(4 * len(scores), dtype=np.float32).reshape(-1, 4) + np.float32(shift)
    return SimpleNamespace(bboxes=boxes, scores=np.array(scores), labels=np.array(labels))


def test_what_counts_as_the_same():
    def compare(found, expected):
        parity = Parity()
        parity.add(found, expected)
        return parity

    one = detections([0.9, 0.5, 0.3], [0, 1, 2])
    assert compare(one, one) == Parity(boxes=3)
    near = compare(detections([0.9, 0.50001, 0.3], [0, 1, 2], shift=0.04), one)
    assert near.unmatched == 0 and near.worst_score == pytest.approx(1e-5)
    assert near.worst_box == pytest.approx(0.04, rel=1e-3)
    assert compare(detections([0.9, 0.5, 0.3], [0, 1, 2], shift=0.06), one).unmatched == 6
    assert compare(detections([0.9, 0.5, 0.3], [0, 1, 1]), one).unmatched == 2
    assert compare(detections([0.9, 0.5, 0.2998], [0, 1, 2]), one).unmatched == 2
    assert compare(detections([0.9, 0.5], [0, 1]), one) == Parity(boxes=3, unmatched=1)
    for gap, moved, disordered in ((1e-6, 1, 0), (5e-5, 0, 1)):
        tied = detections([0.9, 0.3 + gap, 0.3], [0, 1, 2])
        swapped = SimpleNamespace(bboxes=tied.bboxes[[0, 2, 1]], scores=tied.scores,
                                  labels=tied.labels[[0, 2, 1]])
        parity = compare(swapped, tied)
        assert (parity.moved, parity.disordered, parity.unmatched) == (moved, disordered, 0)


@pytest.mark.parametrize('form', FORMS)
def test_prompts_and_sizes(exports, form):
    exported = exports(form)
    detectors = {640: exported.onnx(), 320: exported.onnx(image_size=(320, 320))}
    for size, texts, image in (
            (640, VOCABULARIES[0], IMAGES[0]), (640, VOCABULARIES[2], IMAGES[1]),
            (320, VOCABULARIES[1], IMAGES[0]), (320, VOCABULARIES[2], IMAGES[1])):
        (found,) = detectors[size](image, texts, score_thr=0)
        assert_same(found, exported.torch(image, texts, size))


def test_batches_of_images_and_repeated_prompts(exports):
    exported = exports('none')
    texts = ['dog', 'cat', 'dog']
    batch = exported.onnx(image_size=(320, 320))(IMAGES, texts, score_thr=0, batch_size=2)
    for found, image in zip(batch, IMAGES, strict=True):
        assert_same(found, exported.torch(image, texts, 320))
        assert 2 not in found.labels


@pytest.mark.slow
@pytest.mark.parametrize('form', ['none', 'max_sigmoid'])
def test_all_embedded_photographs(exports, form):
    exported = exports(form)
    detector = exported.onnx()
    images = sorted(str(path) for path in Path('demo/data/mini').rglob('*.jpg'))
    assert len(images) == 48
    for number, image in enumerate(images):
        texts = VOCABULARIES[number % 3]
        assert_same(detector(image, texts, score_thr=0)[0], exported.torch(image, texts))


def test_masks_are_the_same_pixels(exports):
    exported = exports('masks')
    (found,) = exported.onnx(image_size=(320, 320))(IMAGES[0], VOCABULARIES[1], score_thr=0)
    expected = exported.torch(IMAGES[0], VOCABULARIES[1], 320)
    masks = expected.masks.to_ndarray()
    assert masks.any()
    for mask, wanted in zip(found.masks, masks, strict=True):
        assert (mask != wanted).mean() < 1e-4


@pytest.mark.parametrize('form', ['none', 'masks'])
def test_nms_inside(exports, form, tmp_path):
    from expalign.deploy.export_graph import export_detector
    exported = exports(form)
    path = tmp_path / 'nms.onnx'
    export_detector(exported.model, exported.settings(nms_inside=True), path)
    inside = OnnxDetector(path, exported.text_file, threads=1, image_size=(320, 320))
    outside = exported.onnx(image_size=(320, 320))
    for found, expected in zip(
            inside(IMAGES, VOCABULARIES[1], 0, batch_size=2), outside(IMAGES, VOCABULARIES[1], 0),
            strict=True):
        assert_same(found, expected)
        if form == 'masks':
            for mask, wanted in zip(found.masks, expected.masks, strict=True):
                assert (mask != wanted).mean() < 1e-4
    with pytest.raises(ValueError, match='NMS is inside of this ONNX file'):
        inside.candidates(IMAGES[0])


def test_nothing_found(exports, tmp_path):
    from expalign.deploy.export_graph import export_detector
    exported = exports('masks')
    assert not len(exported.onnx()(IMAGES[0], ['cat'], 1.0)[0].scores)
    path = tmp_path / 'nms.onnx'
    settings = exported.settings(nms_inside=True)
    export_detector(exported.model, type(settings)(**(vars(settings) | dict(score_thr=1.0))), path)
    (found,) = OnnxDetector(path, exported.text_file, threads=1)(IMAGES[0], ['cat'], 0)
    assert found.boxes.shape == (0, 4) and found.names == [] and len(found.masks) == 0


def test_baked_vocabulary(exports, tmp_path):
    from expalign.deploy.export_graph import baked_tokens, export_detector
    exported, names = exports('max_sigmoid'), VOCABULARIES[1]
    path = tmp_path / 'baked.onnx'
    export_detector(exported.model, exported.settings(vocabulary=names), path,
                    baked_tokens(exported.model, names))
    detector = OnnxDetector(path, threads=1, image_size=(320, 320))
    assert [item.name for item in detector.session.get_inputs()] == ['images']
    assert_same(detector(IMAGES[0], score_thr=0)[0], exported.torch(IMAGES[0], names, 320))
    assert len(detector(IMAGES[0], names)) == 1
    with pytest.raises(ValueError, match='vocabulary of this ONNX file is baked in'):
        detector(IMAGES[0], ['other'])
    with pytest.raises(ValueError, match='takes no text side'):
        OnnxDetector(path, exported.text_file)


NEW_PROMPTS = '''
import json, sys

class NoTorch:
    blocked = {'torch', 'mmengine', 'mmcv', 'mmdet', 'mmyolo', 'transformers', 'onnx'}
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in self.blocked:
            raise ImportError(f'{name} is not to be imported here')

sys.meta_path.insert(0, NoTorch())
from expalign.runtime import OnnxDetector
from expalign.deploy.parity import Parity
model, text, image, texts = sys.argv[1:]
(found,) = OnnxDetector(model, text, threads=1, image_size=(320, 320))(
    image, json.loads(texts), score_thr=0)
assert not NoTorch.blocked & sys.modules.keys()
print(json.dumps(dict(bboxes=found.boxes.tolist(), scores=found.scores.tolist(),
                      labels=found.labels.tolist())))
'''


def test_new_prompts_where_torch_cannot_be_imported(exports):
    exported = exports('max_sigmoid')
    run = subprocess.run(
        [sys.executable, '-c', NEW_PROMPTS, exported.detector_file, exported.text_file, IMAGES[0],
         json.dumps(VOCABULARIES[2])], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = {name: np.array(value) for name, value in json.loads(run.stdout).items()}
    names = [VOCABULARIES[2][label] for label in found['labels']]
    assert_same(SimpleNamespace(**found, names=names),
                exported.torch(IMAGES[0], VOCABULARIES[2], 320))
