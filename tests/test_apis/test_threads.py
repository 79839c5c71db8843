"""One inferencer or model, eight threads, each with its own prompts, photograph and options."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector, init_detector

from tests.helpers.mini_model import CONFIG
from tests.helpers.threads import THREADS, at_once

PHOTOGRAPHS = ['demo/data/mini/val2017/000000214753.jpg', 'demo/data/mini/val2017/000000160012.jpg']
TEXTS = [['horse', 'person'], ['pizza'], ['a red car', 'a dog', 'a bowl', 'sea'], ['zebra'],
         [f'thing {k}' for k in range(30)], ['owl', 'cat'], ['cat', 'owl'], ['a very long red dog']]
EXPLAINED = 3  # calls that write explanations, which take a second each


@pytest.fixture(scope='module', autouse=True)
def few_boxes(mini_inferencer):
    """Drawing of 300 boxes takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(mini_inferencer.model.bbox_head.test_cfg, 'max_per_img', 20)
        yield


@pytest.fixture(scope='module')
def images():
    """Eight small photographs (H, W, 3) of different sizes."""
    whole = [cv2.imread(path) for path in PHOTOGRAPHS]
    return [np.ascontiguousarray(whole[k % 2][:200 + 20 * k, :320 - 10 * k])
            for k in range(THREADS)]


def close(value, other):
    return value.shape == other.shape and np.allclose(value, other, atol=1e-4)


def same_boxes(found, expected):
    return (found['label_names'] == expected['label_names']
            and close(np.array(found['scores']), np.array(expected['scores']))
            and np.allclose(found['bboxes'], expected['bboxes'], atol=0.05))


def test_predictions_maps_and_pictures(mini_inferencer, images):
    def work(k):
        out = mini_inferencer(images[k], texts=[TEXTS[k]], return_eam=k % 2 == 0, return_vis=True,
                              pred_score_thr=0.99 + 0.004 * (k % 3))
        return out['predictions'][0], out['visualization'][0]

    tasks = range(THREADS)
    expected = [work(k) for k in tasks]
    for k, answers in zip(tasks, at_once(work, tasks, repeats=2), strict=True):
        wanted, picture = expected[k]
        for found, drawn in answers:
            assert same_boxes(found, wanted)
            assert set(found['label_names']) <= set(TEXTS[k])
            # Boxes of nearly one score may change places; another photograph is far away.
            assert drawn.shape == picture.shape == images[k].shape
            assert np.abs(drawn.astype(int) - picture).mean() < 0.5
            assert ('alignment' in found) == (k % 2 == 0)
            if k % 2 == 0:
                assert found['alignment'].prompts == TEXTS[k]
                assert close(found['alignment'].eams['fused'], wanted['alignment'].eams['fused'])
    assert not mini_inferencer.model.neck._forward_hooks


def test_streams(mini_inferencer, images):
    def work(k):
        texts = [TEXTS[k], TEXTS[k - 1]]
        return [sample.pred_instances.label_names for _, sample in mini_inferencer.stream(
            [images[k], images[k - 1]], texts, batch_size=1 + k % 2)]

    expected = [work(k) for k in range(THREADS)]
    for answers, wanted in zip(at_once(work, range(THREADS)), expected, strict=True):
        for found, names in zip(answers[0], wanted, strict=True):
            assert sorted(found) == sorted(names)


def test_files_and_explanations(mini_inferencer, images, tmp_path):
    """Arrays of all calls get files of different names, with the call's own content."""
    def work(k):
        return mini_inferencer(
            images[k], texts=[TEXTS[k]], out_dir=str(tmp_path), no_save_pred=False,
            explain=k < EXPLAINED, explain_prompts=TEXTS[k][:1])['predictions'][0]

    answers = at_once(work, range(THREADS))
    written = {path.stem: json.loads(path.read_text()) for path in (tmp_path / 'preds').iterdir()}
    sizes = {path.stem: cv2.imread(str(path)).shape for path in (tmp_path / 'vis').iterdir()}
    assert len(written) == THREADS and set(sizes) == set(written)
    explained = {}
    for path in (tmp_path / 'explain').glob('*.npz'):
        assert path.with_suffix('.png').is_file()
        with np.load(path) as arrays:
            explained[path.stem] = arrays['prompts'].tolist()
    assert sorted(explained.values()) == sorted(TEXTS[:EXPLAINED])
    for k, (found,) in enumerate(answers):
        (name,) = (name for name, size in sizes.items() if size == images[k].shape)
        assert written[name]['label_names'] == found['label_names']
        assert k >= EXPLAINED or explained[name] == TEXTS[k]


def test_vocabulary_of_a_call_stays_to_its_end(mini_inferencer, images):
    mini_inferencer.set_vocabulary(['cat', 'dog'])
    frames = mini_inferencer.stream(images[:2])
    first = next(frames)[1].pred_instances.label_names
    mini_inferencer.set_vocabulary(['owl'])
    second = next(frames)[1].pred_instances.label_names
    assert first and second and {*first, *second} <= {'cat', 'dog'}
    (found,) = mini_inferencer(images[0])['predictions']
    assert set(found['label_names']) == {'owl'}
    mini_inferencer.model.vocabulary = None


def test_mmdet_functions(mini_weights, images):
    model = init_detector(CONFIG, mini_weights, device='cpu')

    def work(k):
        found = inference_detector(model, images[k], text_prompt=TEXTS[k]).pred_instances
        return found.label_names, found.scores

    expected = [work(k) for k in range(THREADS)]
    for answers, (names, scores) in zip(
            at_once(work, range(THREADS), repeats=2), expected, strict=True):
        for found_names, found_scores in answers:
            assert found_names == names
            torch.testing.assert_close(found_scores, scores, rtol=0, atol=1e-4)


def test_prompts_are_encoded_by_threads_as_alone(mini_inferencer):
    """More prompts than the encoder keeps, so that they are forgotten while others look."""
    encoder = mini_inferencer.model.text_encoder
    prompts = [f'{word} number {"x" * (k % 7)} {k}' for k in range(40) for word in ('a', 'the')]
    expected = {prompt: encoder([prompt])[0] for prompt in prompts}
    kept, encoder._cache.max_size = encoder._cache.max_size, 5
    try:
        answers = at_once(lambda k: encoder(prompts[k::THREADS] + prompts[:3]), range(THREADS), 3)
    finally:
        encoder._cache.max_size = kept
    for k, own in enumerate(answers):
        for tokens, masks in own:
            for row, mask, prompt in zip(
                    tokens, masks, prompts[k::THREADS] + prompts[:3], strict=True):
                torch.testing.assert_close(row[mask], expected[prompt][0], rtol=0, atol=1e-4)
