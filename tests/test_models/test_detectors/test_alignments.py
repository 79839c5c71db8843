"""Alignment maps on the photograph, in files, and names of tokens."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from expalign.models.detectors.alignments import alignments_of, token_names
from expalign.models.layers import FoldedMaps
from expalign.models.necks import EAHOutput
from expalign.models.text_encoders import CLIPTokenEncoder
from expalign.registry import MODELS
from expalign.structures.alignment import Alignment
from tests.helpers.models import sample, tiny_detector_config
from tests.helpers.tokenizers import make_clip_tokenizer, tiny_clip_config


def make(**changes):
    """An image of 60 x 100 pixels in an input of 64 x 64: scale 0.5, 17 pixels above it."""
    fields = dict(
        prompts=['cat'], tokens=[['cat', '<sentence>']],
        token_weights={'P3': np.float32([[0.25, 0.75, 0]])},
        eams={'P3': np.zeros((1, 8, 8), np.float32), 'fused': np.zeros((1, 8, 8), np.float32)},
        stride=8, scale_factor=(0.5, 0.5), padding=(7.0, 17.0), image_shape=(60, 100))
    return Alignment(**{**fields, **changes})


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    init_default_scope('mmdet')
    return MODELS.build(tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))).eval()


def test_map_on_the_image():
    # The value of a cell is its column's centre in input pixels, so the picture has x' = 0.5 x + 7.
    columns = np.broadcast_to(8 * np.arange(8, dtype=np.float32) + 4, (1, 8, 8)).copy()
    alignment = make(eams={'P3': columns, 'fused': columns})
    values = alignment.on_image(0, 'P3')
    assert values.shape == (60, 100)
    expected = 0.5 * (np.arange(100) + 0.5) + 7
    np.testing.assert_allclose(values[30, 2:-2], expected[2:-2], atol=0.3)
    assert alignment.on_image(0, 'P3', (6, 10)).shape == (6, 10)
    rows = columns.transpose(0, 2, 1).copy()
    values = make(eams={'P3': rows, 'fused': rows}).on_image(0, 'P3')
    np.testing.assert_allclose(values[2:-2, 50], (0.5 * (np.arange(60) + 0.5) + 17)[2:-2], atol=0.3)


def test_weights_by_name():
    assert make().weights_of(0, 'P3') == [('cat', 0.25), ('<sentence>', 0.75)]


def test_file(tmp_path):
    make().save(tmp_path / 'a.npz')
    with np.load(tmp_path / 'a.npz') as arrays:
        assert set(arrays) == {
            'prompts', 'tokens_0', 'eam_P3', 'eam_fused', 'pi_P3', 'stride', 'scale_factor',
            'padding', 'image_shape'}
        assert arrays['tokens_0'].tolist() == ['cat', '<sentence>']
        np.testing.assert_allclose(arrays['pi_P3'], [[0.25, 0.75, 0]])


def test_some_of_the_prompts():
    maps = np.arange(3 * 64, dtype=np.float32).reshape(3, 8, 8)
    alignment = make(
        prompts=['a', 'b', 'c'], tokens=[['a'], ['b'], ['c']], eams={'P3': maps, 'fused': -maps},
        token_weights={'P3': np.float32([[1], [2], [3]])})
    some = alignment.select([2, 0])
    assert (some.prompts, some.tokens) == (['c', 'a'], [['c'], ['a']])
    np.testing.assert_array_equal(some.eams['fused'], -maps[[2, 0]])
    assert some.weights_of(0, 'P3') == [('c', 3.0)]


def test_batch_with_different_prompts(model):
    prompts = [['cat', 'owl'], ['red dog']]
    eams = tuple(torch.randn(2, 2, side, side) for side in (8, 4, 2))
    weights = tuple(torch.rand(2, 2, 5) for _ in range(3))
    samples = [sample(texts) for texts in prompts]
    first, second = alignments_of(model, EAHOutput((), eams, weights), samples, prompts)
    assert first.prompts == prompts[0]
    assert second.tokens == [['red', 'dog', '<sentence>']]
    np.testing.assert_array_equal(second.eams['P4'], eams[1][1, :1])
    np.testing.assert_array_equal(first.token_weights['P5'], weights[2][0])
    assert (first.stride, first.image_shape) == (8, (64, 64))


@torch.no_grad()
def test_maps_of_a_kept_vocabulary(model):
    """They come from the table, equal the plain ones, and leave the detections as they are."""
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    prompts = ['cat', 'a red dog']

    def samples(*own):
        return [sample(prompts), sample(list(own) or prompts)]

    detected = model.predict(images, samples())
    recorded, kept, texts = model.predict_aligned(images, samples())
    # Different prompts: the neck gives maps.
    _, plain, _ = model.predict_aligned(images, samples(*prompts, 'owl'))
    assert texts == [prompts, prompts]
    for a, b in zip(detected, recorded, strict=True):
        for name in ('bboxes', 'scores', 'labels'):
            assert torch.equal(a.pred_instances[name], b.pred_instances[name])
    assert isinstance(kept.eams, FoldedMaps) and isinstance(plain.eams, tuple)
    kept, plain = (alignments_of(model, one, recorded, texts) for one in (kept, plain))
    for a, b in zip(kept, plain, strict=True):
        for level in ('P3', 'P4', 'P5', 'fused'):
            assert a.eams[level].dtype == np.float32
            np.testing.assert_allclose(a.eams[level], b.eams[level], rtol=0, atol=1e-6)


def test_prompts_of_samples(model):
    assert model.prompts_of(sample('cat . dog', custom_entities=True)) == ['cat', 'dog']
    model.set_vocabulary(['owl'])
    assert model.prompts_of(sample()) == ['owl']
    model.vocabulary = None


def test_names_are_as_many_as_tokens(model, tmp_path):
    prompts = ['cat', 'red owl', 'a cat']
    names = token_names(model, prompts)
    assert names[0] == ['cat', '<sentence>']
    assert names[1] == ['red', 'o', '##w', '##l', '<sentence>']
    _, masks = model._encode_text(prompts)
    assert [len(row) for row in names] == masks.sum(1).tolist()
    model.text_adapter.token_pooling = 'eot'
    assert token_names(model, prompts) == [['<sentence>']] * 3
    model.text_adapter.token_pooling = 'mean'
    assert token_names(model, prompts) == [['<mean>']] * 3
    model.text_adapter.token_pooling = 'expectation'
    bert, model.text_encoder = model.text_encoder, CLIPTokenEncoder(
        tiny_clip_config(), make_clip_tokenizer(tmp_path))
    try:
        names = token_names(model, prompts)
        assert names[:2] == [['cat', '<eot>'], ['red', 'o', 'w', 'l', '<eot>']]
        _, masks = model.text_encoder(prompts)
        assert [len(row) for row in names] == masks.sum(1).tolist()
    finally:
        model.text_encoder = bert
