"""Detections from images in every form, by the inferencer and by ``expalign.detect``."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import expalign
from expalign.apis import detect as detect_module
from tests.helpers.mini_model import CONFIG

IMAGES = ['demo/data/mini/val2017/000000214753.jpg', 'demo/data/mini/val2017/000000160012.jpg']


@pytest.fixture
def find(mini_inferencer):
    return lambda images, texts='a horse, pizza', **options: mini_inferencer.detect(
        images, texts, **dict(score_thr=0.0) | options)


def same(one, other):
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)
    assert one.names == other.names


def test_the_numbers_of_a_call(mini_inferencer, find):
    found = find(IMAGES[0])
    (expected,) = mini_inferencer(IMAGES[0], texts=['a horse', 'pizza'])['predictions']
    np.testing.assert_allclose(found.scores, expected['scores'], atol=1e-6)
    np.testing.assert_allclose(found.boxes, expected['bboxes'], atol=1e-4)
    assert found.names == expected['label_names'] and found.prompts == ['a horse', 'pizza']
    assert (found.path, found.size, found.model) == (IMAGES[0], (424, 640), CONFIG)
    assert len(found.data_sample.pred_instances) == len(found)
    middle = float(np.median(found.scores))
    assert len(find(IMAGES[0], score_thr=middle)) == (found.scores >= middle).sum()
    assert find(IMAGES[0], ['Horse', 'HORSE', ' horse']).prompts == ['Horse']
    assert set(find(IMAGES[0], ['Horse', 'HORSE']).names) == {'Horse'}


def test_forms_of_one_image(find, tmp_path):
    expected, bgr = find(IMAGES[0]), cv2.imread(IMAGES[0])
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    for form in (Path(IMAGES[0]), bgr, Image.fromarray(rgb), Image.fromarray(rgb).convert('RGBA'),
                 tensor, tensor / 255, tensor.half() / 255):
        same(find(form), expected)
    # A viewer turns it, and so does PIL's image of it.
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(rgb).rotate(90, expand=True).save(tmp_path / 'a.png', exif=exif)
    with Image.open(tmp_path / 'a.png') as turned:
        same(find(turned), expected)
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    same(find(torch.from_numpy(grey)[None]), find(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)))


@pytest.mark.parametrize(('tensor', 'message'), [
    (torch.zeros(4, 5, 3), r'a tensor is \(3, H, W\) in RGB order, got \(4, 5, 3\) of float32'),
    (torch.zeros(2, 3, 4, 5), r'got \(2, 3, 4, 5\)'),
    (torch.full((3, 4, 5), -2.0), r'from -2.0 to -2.0: undo its normalisation'),
    (torch.full((3, 4, 5), float('nan')), 'from nan to nan'),
    (torch.zeros(3, 4, 5, dtype=torch.int64), 'of int64')])
def test_other_tensors_are_refused(find, tensor, message):
    with pytest.raises(ValueError, match=message):
        find(tensor)


def test_many_images(find, tmp_path):
    one, two = find(IMAGES)
    same(one, find(IMAGES[0]))
    for name in IMAGES:
        (tmp_path / Path(name).name).symlink_to(Path(name).resolve())
    folder = find(tmp_path)
    assert [Path(found.path).name for found in folder] == ['000000160012.jpg', '000000214753.jpg']
    same(folder[1], one)
    assert isinstance(find(str(tmp_path / '*214753.jpg')), list)
    nested = find(IMAGES, [['a'], ['b', 'B', 'c']])
    assert [found.prompts for found in nested] == [['a'], ['b', 'c']]
    # A flat list belongs to all, whatever their number.
    assert [found.prompts for found in find(IMAGES, ['a', 'b'])] == [['a', 'b']] * 2
    read = []

    def photographs():
        for name in IMAGES * 3:
            read.append(name)
            yield name

    results = find(photographs(), batch_size=2)
    same(next(results), one)
    assert len(read) == 2
    same(next(results), two)
    assert len(list(results)) == 4
    with pytest.raises(ValueError, match='an iterator has no number of them'):
        next(find(iter(IMAGES), [['a'], ['b']]))
    assert next(find(IMAGES, stream=True)).path == IMAGES[0]


def test_windows(find, mini_inferencer):
    found = find(IMAGES[0], patch_size=320)
    sample = mini_inferencer.detect_large(IMAGES[0], 'a horse, pizza', patch_size=320)
    np.testing.assert_allclose(found.scores, sample.pred_instances.scores, atol=1e-6)


def test_explanation(find):
    found = find(IMAGES[0])
    one, both = found.explain('pizza'), found.explain()
    assert one.dtype == np.uint8 and one.shape[2] == 3 and both.shape[0] > 1.5 * one.shape[0]
    with pytest.raises(ValueError, match="no explanation for the prompt 'cat'"):
        found.explain('cat')


def test_picture_on_the_image(find):
    found = find(IMAGES[0])
    np.testing.assert_array_equal(found[:0].plot(), cv2.imread(IMAGES[0])[..., ::-1])


def test_detect_keeps_the_model(mini_weights, find):
    options = dict(model=CONFIG, weights=mini_weights, device='cpu', score_thr=0)
    same(expalign.detect(IMAGES[0], 'a horse, pizza', **options), find(IMAGES[0]))
    kept = detect_module.kept_inferencer(CONFIG, mini_weights, 'cpu')
    assert detect_module.kept_inferencer(Path(CONFIG), Path(mini_weights), 'cpu') is kept
    assert isinstance(expalign.detect(IMAGES[0], ['a'], **options), expalign.Detections)
    for name, right in (('conf', 'score_thr'), ('texts', 'prompts'), ('classes', 'prompts')):
        with pytest.raises(TypeError, match=f"'{name}' of detect.*did you mean {right}"):
            expalign.detect(IMAGES[0], **{name: 0.5})
    with pytest.raises(ValueError, match='is no number from 0 to 1'):
        expalign.detect(IMAGES[0], 'a', **options | dict(score_thr=30))


def test_wrong_arguments_of_a_call(mini_inferencer):
    for name, right in (('conf', 'pred_score_thr'), ('text', 'texts'), ('prompts', 'texts')):
        with pytest.raises(TypeError, match=f"argument '{name}' of inferencer.*mean {right}"):
            mini_inferencer('a.jpg', **{name: 'a horse'})
