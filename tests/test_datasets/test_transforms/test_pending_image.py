"""A sample whose mosaic is drawn on demand is a dict for everyone else."""

import copy
import pickle

import numpy as np
import pytest

from expalign.datasets.transforms.canvas import Canvas
from expalign.datasets.transforms.pending_image import PendingImage

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


@pytest.fixture
def sample():
    return PendingImage(dict(img='a place holder', label=7), Canvas.around(IMAGE, (114,) * 3))


def popitem(sample):
    sample.pop('label')
    return dict([sample.popitem()])


# Every way to get at values that dict has.
@pytest.mark.parametrize('ask', [
    lambda x: dict(img=x['img']), lambda x: dict(img=x.get('img')),
    lambda x: dict(img=x.get('img', None)), lambda x: dict(img=x.pop('img')),
    lambda x: dict(img=x.pop('img', None)), lambda x: dict(img=x.setdefault('img', 3)),
    popitem, dict, lambda x: {**x}, lambda x: dict(**x), lambda x: dict(x.items()),
    lambda x: dict(zip(x, x.values(), strict=True)), lambda x: x.copy(), copy.copy, copy.deepcopy,
    lambda x: x | dict(a=1), lambda x: dict(a=1) | x, lambda x: pickle.loads(pickle.dumps(x)),
    lambda x: {key: x[key] for key in x}])
def test_the_image_is_drawn_for_whoever_asks(sample, ask):
    np.testing.assert_array_equal(ask(sample)['img'], IMAGE)


def test_update_takes_the_image(sample):
    other = {}
    other.update(sample)
    assert other['label'] == 7 and isinstance(other['img'], np.ndarray)
    match sample:
        case {'img': image}:
            np.testing.assert_array_equal(image, IMAGE)


def test_other_keys_leave_it_undrawn(sample):
    assert sample['label'] == sample.get('label') == sample.pop('label') == 7
    assert 'img' in sample and len(sample) == 1 and list(sample.keys()) == ['img']
    sample['label'], sample['more'] = 8, 9
    del sample['more']
    assert isinstance(sample.canvas(), Canvas)
    sample.draw()
    assert sample.canvas() is None and isinstance(sample, dict)


def test_a_new_image_replaces_it(sample):
    sample['img'] = 5
    assert sample.canvas() is None and sample['img'] == 5
    assert sample == dict(img=5, label=7)
    del sample['img']
    assert sample.canvas() is None and 'img' not in sample
