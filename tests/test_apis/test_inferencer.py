"""The inferencer: same boxes as tools/test.py, every form of input, alignment maps, text calls."""

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import mmcv
import mmengine
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer

from expalign.apis import ExpAlignInferencer
from expalign.apis.vocabularies import named_vocabulary
from expalign.models.losses.fusion import fuse_to_finest
from expalign.structures.exclusive_boxes import box_iou
from expalign.utils.load_config import load_config
from tests.helpers.mini_model import CONFIG, write_mini_weights

IMAGES = ['demo/data/mini/val2017/000000214753.jpg', 'demo/data/mini/val2017/000000160012.jpg']


def assert_same(prediction, other, atol=0.01):
    assert prediction['labels'] == other['labels']
    np.testing.assert_allclose(prediction['bboxes'], other['bboxes'], atol=atol)
    np.testing.assert_allclose(prediction['scores'], other['scores'], atol=1e-5)


def test_same_numbers_as_tools_test(mini_weights, run_script, tmp_path):
    results = tmp_path / 'results.pkl'
    run_script(
        'tools/test.py', CONFIG, mini_weights, '--work-dir', tmp_path, '--out', results,
        '--cfg-options', "test_dataloader.dataset.metainfo.classes=('cat','dog')")
    tested = mmengine.load(results)
    assert len(tested) == 24
    images = [result['img_path'] for result in tested[:6]]
    # Its own: prompts that earlier tests had encoded one by one differ in the last bit.
    inferencer = ExpAlignInferencer(CONFIG, mini_weights, device='cpu', show_progress=False)
    single, batched = (
        inferencer(images, texts=[['cat', 'dog']] * 6, batch_size=size)['predictions']
        for size in (1, 3))
    for alone, together, result in zip(single, batched, tested, strict=False):
        names = ('labels', 'bboxes', 'scores')
        expected = {name: result['pred_instances'][name].tolist() for name in names}
        assert len(expected['labels']) > 0
        assert {name: alone[name] for name in names} == expected
        # Sums of a batch are rounded otherwise, and boxes of nearly one score change places.
        np.testing.assert_allclose(together['scores'], expected['scores'], atol=1e-5)


def test_settings_of_the_config(mini_weights):
    build = partial(ExpAlignInferencer, CONFIG, mini_weights, device='cpu', show_progress=False)
    changed = build(cfg_options={
        'model.test_cfg.max_per_img': 3, 'model.test_cfg.nms.class_agnostic': True})
    prompts = ['cat', 'dog', 'CAT and dog']
    found = changed.detect(IMAGES[0], prompts, score_thr=0)
    assert len(found) == 3
    every = build().detect(IMAGES[0], prompts, score_thr=0)
    assert len(every) == 300 and found.scores[0] == every.scores[0]
    assert not any(overlap > 0.7 for row, overlaps in enumerate(box_iou(found.boxes, found.boxes))
                   for overlap in overlaps[row + 1:])
    with pytest.raises(ValueError, match="the config has no 'mdoel.test_cfg': its settings begin"):
        build(cfg_options={'mdoel.test_cfg': {}})


@pytest.mark.parametrize('size', [(2, 3000), (3000, 2)])
def test_very_long_images(mini_inferencer, tmp_path, size):
    """One side is above 640 times the other, so that 640 pixels leave none for the other."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    (found,) = mini_inferencer(
        image, texts='cat', explain=True, out_dir=tmp_path)['predictions']
    boxes = np.array(found['bboxes'])
    assert len(boxes)
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] <= size[::-1]).all()
    assert len(list((tmp_path / 'explain').glob('*.png'))) == 1


def test_different_prompts_in_one_batch(mini_inferencer):
    texts = [['a horse', 'a person', 'a dog'], ['pizza']]
    batch = mini_inferencer(IMAGES, texts=texts, batch_size=2)['predictions']
    for image, prompts, prediction in zip(IMAGES, texts, batch, strict=True):
        (single,) = mini_inferencer(image, texts=[prompts])['predictions']
        assert_same(prediction, single)
        assert set(prediction['label_names']) == set(prompts)


def test_forms_of_inputs_and_texts(mini_inferencer, tmp_path):
    (expected,) = mini_inferencer(IMAGES[0], texts=[['cat', 'dog']])['predictions']
    for name in IMAGES:
        cv2.imwrite(str(tmp_path / f'{name[-16:-4]}.png'), mmcv.imread(name))
    (tmp_path / 'prompts.txt').write_text('cat\ndog\n')
    for texts in ('cat . dog', ['cat', 'dog'], str(tmp_path / 'prompts.txt')):
        (prediction,) = mini_inferencer(IMAGES[0], texts=texts)['predictions']
        assert_same(prediction, expected)
    array = mini_inferencer(mmcv.imread(IMAGES[0]), texts='cat . dog')['predictions'][0]
    assert_same(array, expected)
    for inputs in (tmp_path, str(tmp_path / '0000002147*.png')):
        found = mini_inferencer(inputs, texts='cat . dog')['predictions']
        assert_same(found[-1], expected)
    (coco,) = mini_inferencer(IMAGES[0], texts='coco')['predictions']
    assert max(coco['labels']) < 80
    assert coco['label_names'][0] == named_vocabulary('coco')[coco['labels'][0]]


def test_vocabulary_for_many_images(mini_weights, monkeypatch):
    inferencer = ExpAlignInferencer(CONFIG, mini_weights, device='cpu', show_progress=False)
    calls = count_encoded(inferencer.model, monkeypatch)
    with pytest.raises(ValueError, match=r'no prompts for image .*214753.jpg.*set_vocabulary'):
        inferencer(IMAGES[0])
    inferencer.set_vocabulary('cat . dog')
    for _ in range(2):
        out = inferencer(IMAGES)['predictions']
        assert {name for found in out for name in found['label_names']} == {'cat', 'dog'}
    assert sorted(calls) == ['cat', 'dog']


def test_text_tower_runs_once_per_distinct_prompt(mini_weights, monkeypatch):
    inferencer = ExpAlignInferencer(CONFIG, mini_weights, device='cpu', show_progress=False)
    calls = count_encoded(inferencer.model, monkeypatch)
    texts = [['cat', 'dog'], ['dog', 'owl'], ['cat'], ['owl', 'cat', 'dog']]
    inferencer([*IMAGES, *IMAGES], texts=texts, batch_size=2)
    inferencer(IMAGES, texts='owl . dog', return_eam=True)
    assert sorted(calls) == ['cat', 'dog', 'owl']


def count_encoded(model, monkeypatch):
    """The prompts that go through the text tower, in a list."""
    encoder, calls = model.text_encoder, []
    encode = encoder.encode_batch
    monkeypatch.setattr(
        encoder, 'encode_batch', lambda texts: calls.extend(texts) or encode(texts))
    return calls


def test_alignment_maps(mini_inferencer):
    texts = [['a horse', 'a brown dog', 'sea'], ['pizza']]
    predictions = mini_inferencer(IMAGES, texts=texts, batch_size=2, return_eam=True)
    first, second = (found['alignment'] for found in predictions['predictions'])
    assert {level: maps.shape for level, maps in first.eams.items()} == {
        'P3': (3, 40, 40), 'P4': (3, 20, 20), 'P5': (3, 10, 10), 'fused': (3, 40, 40)}
    assert second.eams['P3'].shape == (1, 40, 40)
    assert first.tokens == [
        ['a', 'horse', '<sentence>'], ['a', 'brown', 'dog', '<sentence>'], ['sea', '<sentence>']]
    for level in ('P3', 'P4', 'P5'):
        for prompt, names in enumerate(first.tokens):
            weights = first.token_weights[level][prompt]
            np.testing.assert_allclose(weights.sum(), 1, atol=1e-5)
            assert (weights[len(names):] == 0).all()
            assert [name for name, _ in first.weights_of(prompt, level)] == names
    maps = [torch.from_numpy(first.eams[level])[None] for level in ('P3', 'P4', 'P5')]
    np.testing.assert_allclose(first.eams['fused'], fuse_to_finest(maps)[0], atol=1e-5)
    # The best score is the sigmoid of the largest scaled map value.
    module = mini_inferencer.model.bbox_head.head_module
    logits = [first.eams[level].max() * scale.exp().item() + bias.item() for level, scale, bias in
              zip(('P3', 'P4', 'P5'), module.logit_scales, module.biases, strict=True)]
    best = max(predictions['predictions'][0]['scores'])
    assert best == pytest.approx(1 / (1 + np.exp(-max(logits))), abs=1e-5)
    plain = mini_inferencer(IMAGES, texts=texts, batch_size=2)['predictions']
    assert 'alignment' not in plain[0]
    assert_same(plain[0], predictions['predictions'][0])
    assert not mini_inferencer.model.neck._forward_hooks


def test_maps_of_tokens(mini_inferencer):
    """Their expectation by the weights is the map; prompts of other images change nothing."""
    texts = [['a horse', 'a brown dog', 'sea'], ['pizza']]
    seen = []
    hook = mini_inferencer.model.backbone.register_forward_hook(lambda *args: seen.append(1))
    predictions = mini_inferencer(IMAGES, texts=texts, batch_size=2, token_maps=True)
    hook.remove()
    assert len(seen) == 1  # one batch, and one pass for boxes and maps
    plain = mini_inferencer(IMAGES, texts=texts, batch_size=2, return_eam=True)
    for found, expected in zip(predictions['predictions'], plain['predictions'], strict=True):
        assert_same(found, expected)
        assert expected['alignment'].token_maps is None
        alignment = found['alignment']
        sides = dict(P3=40, P4=20, P5=10, fused=40)
        assert set(alignment.token_maps) == set(sides)
        for level, side in sides.items():
            maps = alignment.token_maps[level]
            assert [m.shape for m in maps] == [
                (len(names), side, side) for names in alignment.tokens]
            for prompt, own in enumerate(maps if level != 'fused' else ()):
                pi = alignment.token_weights[level][prompt, :len(own)]
                np.testing.assert_allclose(
                    np.tensordot(pi, own, 1), alignment.eams[level][prompt], atol=2e-4)
    fused = fuse_to_finest([torch.from_numpy(alignment.token_maps[level][0])[None]
                            for level in ('P3', 'P4', 'P5')])[0]
    np.testing.assert_allclose(alignment.token_maps['fused'][0], fused, atol=1e-5)
    detections = mini_inferencer.detect(IMAGES[0], 'a brown dog. sea')
    heights = [detections.explain('a brown dog', token_maps=maps).shape[0] for maps in (0, 1)]
    assert heights[0] < heights[1] < 2 * heights[0]


def test_files(mini_inferencer, tmp_path):
    inputs = [IMAGES[0], mmcv.imread(IMAGES[1])]
    mini_inferencer.num_visualized_imgs = mini_inferencer.num_predicted_imgs = 0
    mini_inferencer(
        inputs, texts=[['a horse'], ['pizza']], out_dir=str(tmp_path), no_save_pred=False,
        explain=True, pred_score_thr=1.0)
    names = ['000000214753', '00000001']
    written = {path.relative_to(tmp_path).as_posix()
               for path in tmp_path.rglob('*') if path.is_file()}
    assert written == {
        *(f'vis/{name}.jpg' for name in names), *(f'preds/{name}.json' for name in names),
        *(f'explain/{name}.{suffix}' for name in names for suffix in ('png', 'npz'))}
    content = json.loads((tmp_path / 'preds' / '00000001.json').read_text())
    assert set(content) == {'bboxes', 'scores', 'labels', 'label_names'}
    with np.load(tmp_path / 'explain' / '00000001.npz') as arrays:
        assert arrays['prompts'].tolist() == ['pizza']
        assert arrays['tokens_0'].tolist() == ['pizza', '<sentence>']
        assert arrays['eam_fused'].shape == (1, 40, 40)
        assert arrays['pi_P5'].shape == (1, 2)
    # The colours of an array are those of the file that it was read from.
    drawn, image = (mmcv.imread(path).astype(float) for path in (
        tmp_path / 'vis' / '00000001.jpg', IMAGES[1]))
    assert abs(drawn - image).mean() < 5 < abs(drawn - image[..., ::-1]).mean()


def test_stream_keeps_nothing(mini_inferencer):
    frames = mini_inferencer.stream([IMAGES[0]] * 50, texts='cat . dog', batch_size=2)
    image, sample = next(frames)
    assert image == IMAGES[0]
    assert len(sample.pred_instances) > 0
    frames.close()


def test_large_image(mini_inferencer):
    (whole,) = mini_inferencer(IMAGES[0], texts='cat . dog')['predictions']
    sample = mini_inferencer.detect_large(IMAGES[0], 'cat . dog', patch_size=640)
    # One window is the image itself.
    np.testing.assert_allclose(sample.pred_instances.scores[0], max(whole['scores']), atol=1e-5)
    merged = mini_inferencer.detect_large(
        mmcv.imread(IMAGES[0]), 'cat . dog', patch_size=320, batch_size=3).pred_instances
    assert 0 < len(merged) <= 300
    assert merged.bboxes[:, 2].max() <= 640
    assert merged.bboxes[:, 3].max() <= 424
    assert merged.scores[0] >= max(whole['scores']) - 1e-5
    assert set(merged.label_names) <= {'cat', 'dog'}


def test_masks(tmp_path):
    config = 'configs/mini/expalign_mini-seg.py'
    weights = write_mini_weights(tmp_path / 'seg.pth', config)
    inferencer = ExpAlignInferencer(config, weights, device='cpu', show_progress=False)
    (found,) = inferencer(
        IMAGES[0], texts='cat . dog', out_dir=str(tmp_path), no_save_pred=False, explain=True,
        pred_score_thr=0.999)['predictions']
    assert found['masks'][0]['size'] == [424, 640]
    written = json.loads((tmp_path / 'preds' / '000000214753.json').read_text())
    assert written['masks'] == found['masks']
    merged = inferencer.detect_large(IMAGES[0], 'cat . dog', patch_size=400, batch_size=2)
    (x1, y1, x2, y2), mask = merged.pred_instances.bboxes[0], merged.pred_instances.masks[:1]
    rows, columns = mask.to_ndarray()[0].nonzero()
    assert mask.size == (424, 640)
    assert x1 - 1 <= columns.min() <= columns.max() <= x2
    assert y1 - 1 <= rows.min() <= rows.max() <= y2


def test_errors_name_the_file(mini_inferencer, mini_weights, tmp_path):
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'no image')
    with pytest.raises(OSError, match=r"cannot read image '.*broken\.jpg'"):
        mini_inferencer(str(broken), texts='cat')
    with pytest.raises(ValueError, match='explain=True writes files: give out_dir'):
        mini_inferencer(IMAGES[0], texts='cat', explain=True)
    with pytest.raises(FileNotFoundError, match=r'the model absent\.py is neither'):
        ExpAlignInferencer('absent.py', mini_weights)
    with pytest.raises(ValueError, match='needs weights'):
        ExpAlignInferencer(CONFIG, device='cpu')


def test_addresses(mini_inferencer):
    class Server(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = partial(Server, directory='demo/data/mini/val2017')
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}/'
        (found,) = mini_inferencer(address + IMAGES[0][-16:], texts='cat')['predictions']
        with pytest.raises(OSError, match=r"127.0.0.1:\d+/absent.jpg"):
            mini_inferencer(address + 'absent.jpg', texts='cat')
        server.shutdown()
    assert_same(found, mini_inferencer(IMAGES[0], texts='cat')['predictions'][0])


def test_checkpoint_with_its_config(mini_weights, mini_inferencer, tmp_path):
    checkpoint = torch.load(mini_weights, weights_only=True)
    checkpoint['meta']['cfg'] = load_config(CONFIG).pretty_text
    torch.save(checkpoint, tmp_path / 'whole.pth')
    inferencer = ExpAlignInferencer(tmp_path / 'whole.pth', device='cpu', show_progress=False)
    (found,) = inferencer(IMAGES[0], texts='cat')['predictions']
    assert_same(found, mini_inferencer(IMAGES[0], texts='cat')['predictions'][0])
    with pytest.raises(ValueError, match=r'mini\.pth has no config in it'):
        ExpAlignInferencer(mini_weights)


def test_it_is_a_det_inferencer(mini_inferencer):
    assert isinstance(mini_inferencer, DetInferencer)
    with pytest.raises(ValueError, match='unknown argument'):
        mini_inferencer(IMAGES[0], texts='cat', no_such_argument=1)
