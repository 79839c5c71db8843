"""mmdet's own inference functions and tools/test.py give the same boxes."""

from copy import deepcopy

import cv2
import mmengine
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmengine.config import Config

from expalign.structures.known_classes import KNOWN_CLASSES

CONFIG = 'configs/mini/expalign_mini.py'
IMAGES = ['demo/data/mini/val2017/000000214753.jpg', 'demo/data/mini/val2017/000000160012.jpg']
PROMPTS = ['cat', 'dog']


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Weights of an untrained model with biases that let boxes through."""
    cfg = Config.fromfile(CONFIG)
    torch.manual_seed(0)
    model = init_detector(cfg, device='cpu')
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight, std=0.05)
    for bias in model.bbox_head.head_module.biases:
        torch.nn.init.constant_(bias, -3.0)
    path = tmp_path_factory.mktemp('weights') / 'mini.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


@pytest.fixture(scope='module')
def model(checkpoint):
    return init_detector(CONFIG, checkpoint, device='cpu')


def test_inference_detector(model):
    single = inference_detector(
        model, IMAGES[0], text_prompt='cat . dog', custom_entities=True).pred_instances
    assert 0 < len(single.bboxes) <= 300
    assert set(single.label_names) == set(PROMPTS)
    listed = inference_detector(model, IMAGES, text_prompt='cat . dog', custom_entities=True)
    assert torch.equal(listed[0].pred_instances.bboxes, single.bboxes)
    one_prompt = inference_detector(model, IMAGES[0], text_prompt='cat . dog').pred_instances
    assert set(one_prompt.label_names) == {'cat . dog'}


def test_arrays(model, monkeypatch):
    """Grey ones too: (H, W) and (H, W, 1)."""
    monkeypatch.setattr(model, 'cfg', deepcopy(model.cfg))  # mmdet sets the loader for good
    pixels = cv2.imread(IMAGES[0], cv2.IMREAD_GRAYSCALE)
    grey = np.repeat(pixels[..., None], 3, axis=2)
    expected = inference_detector(model, grey, text_prompt='cat').pred_instances
    assert len(expected.bboxes) > 0
    alpha = np.dstack([grey, pixels])
    for image in (pixels, pixels[..., None], alpha):
        found = inference_detector(model, image, text_prompt='cat').pred_instances
        assert torch.equal(found.bboxes, expected.bboxes)
    with pytest.raises(ValueError, match='got 2 channels'):
        inference_detector(model, grey[..., :2], text_prompt='cat')


def test_case_and_white_space_do_not_count(model):
    single = inference_detector(model, IMAGES[0], text_prompt=['Cat']).pred_instances
    for text in (['Cat', 'cat', ' CAT'], ['Cat', 'C\u0041T']):
        found = inference_detector(model, IMAGES[0], text_prompt=text).pred_instances
        assert torch.equal(found.bboxes, single.bboxes)
        assert set(found.label_names) == {'Cat'}


def test_det_inferencer_equals_inference_detector(model, checkpoint, tmp_path):
    inferencer = DetInferencer(model=CONFIG, weights=checkpoint, device='cpu', show_progress=False)
    out = inferencer(
        IMAGES, texts='cat . dog', custom_entities=True, out_dir=str(tmp_path),
        no_save_pred=False, pred_score_thr=0.0)
    for image, prediction in zip(IMAGES, out['predictions'], strict=True):
        other = inference_detector(
            model, image, text_prompt='cat . dog', custom_entities=True).pred_instances
        assert prediction['labels'] == other.labels.tolist()
        torch.testing.assert_close(
            torch.tensor(prediction['bboxes']), other.bboxes, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(torch.tensor(prediction['scores']), other.scores)
    assert (tmp_path / 'vis' / '000000214753.jpg').is_file()
    assert (tmp_path / 'preds' / '000000214753.json').is_file()


def test_det_inferencer_reads_the_config_of_a_checkpoint(model, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    content['meta'] = dict(cfg=Config.fromfile(CONFIG).pretty_text)
    torch.save(content, tmp_path / 'alone.pth')
    inferencer = DetInferencer(
        weights=str(tmp_path / 'alone.pth'), device='cpu', show_progress=False)
    (prediction,) = inferencer(
        IMAGES[0], texts='cat . dog', custom_entities=True, no_save_vis=True)['predictions']
    other = inference_detector(
        model, IMAGES[0], text_prompt='cat . dog', custom_entities=True).pred_instances
    torch.testing.assert_close(torch.tensor(prediction['scores']), other.scores)


def test_tools_test_equals_inference_detector(model, checkpoint, run_script, tmp_path):
    results = tmp_path / 'results.pkl'
    run_script(
        'tools/test.py', CONFIG, checkpoint, '--work-dir', tmp_path, '--out', results,
        '--cfg-options', "test_dataloader.dataset.metainfo.classes=('cat','dog')")
    by_name = {result['img_path'].split('/')[-1]: result for result in mmengine.load(results)}
    assert len(by_name) == 24
    for image in IMAGES:
        tested = by_name[image.split('/')[-1]]['pred_instances']
        other = inference_detector(
            model, image, text_prompt='cat . dog', custom_entities=True).pred_instances
        torch.testing.assert_close(tested['bboxes'], other.bboxes)
        torch.testing.assert_close(tested['scores'], other.scores)
        assert torch.equal(tested['labels'], other.labels)


def test_no_text_at_all_says_what_to_do(model):
    with pytest.raises(ValueError, match=r'no prompts for image .*214753.jpg.*set_vocabulary'):
        inference_detector(model, IMAGES[0])


def test_vocabulary_serves_inference_detector(model):
    model.set_vocabulary(PROMPTS)
    named = inference_detector(model, IMAGES[0]).pred_instances
    model.vocabulary = None
    other = inference_detector(
        model, IMAGES[0], text_prompt='cat . dog', custom_entities=True).pred_instances
    assert torch.equal(named.bboxes, other.bboxes)


def test_known_classes_serve_all_of_them_without_a_text(checkpoint, tmp_path):
    weights = torch.load(checkpoint)
    weights['state_dict']._metadata[''][KNOWN_CLASSES] = dict(names=PROMPTS)
    path = str(tmp_path / 'known.pth')
    torch.save(weights, path)
    known = init_detector(CONFIG, path, device='cpu')
    assert known.known_classes.names == tuple(PROMPTS)
    asked = inference_detector(known, IMAGES[0], text_prompt='cat . dog', custom_entities=True)
    found = inference_detector(known, IMAGES[0])
    assert torch.equal(found.pred_instances.bboxes, asked.pred_instances.bboxes)
    assert set(found.pred_instances.label_names) == set(PROMPTS)
    inferencer = DetInferencer(CONFIG, path, device='cpu')
    (listed,) = inferencer(IMAGES[0], no_save_pred=True)['predictions']
    assert np.allclose(listed['bboxes'], found.pred_instances.bboxes, atol=1e-3)


def test_wrong_checkpoint_is_named(checkpoint, tmp_path):
    weights = torch.load(checkpoint, weights_only=True)
    weights['state_dict'] = {
        f'student.{name}': value for name, value in weights['state_dict'].items()}
    torch.save(weights, tmp_path / 'wrong.pth')
    with pytest.raises(RuntimeError, match='does not match the model: .* missing from the'):
        init_detector(CONFIG, str(tmp_path / 'wrong.pth'), device='cpu')
