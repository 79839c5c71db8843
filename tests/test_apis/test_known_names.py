"""Exact vectors of known names through the inferencer, and the thresholds that go with results."""

import numpy as np
import pytest
import torch

from expalign.apis import ExpAlignInferencer
from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
from expalign.structures.known_classes import KnownClasses
from expalign.structures.thresholds import default_threshold
from tests.helpers.mini_model import CONFIG

IMAGE = 'demo/data/mini/val2017/000000214753.jpg'


@pytest.fixture(scope='module')
def inferencer(mini_weights, tmp_path_factory):
    """The small model with the vectors of two names."""
    plain = ExpAlignInferencer(CONFIG, mini_weights, device='cpu', show_progress=False)
    width = plain.model.neck.embed_dims
    file = tmp_path_factory.mktemp('names') / 'names.npz'
    vectors = torch.randn(2, width, generator=torch.Generator().manual_seed(2))
    write_prompt_vectors(file, ['horse', 'people'], vectors)
    return ExpAlignInferencer(
        CONFIG, mini_weights, device='cpu', show_progress=False, cfg_options={
            'model.known_names': dict(type='expalign.KnownNames', vectors=str(file))})


def test_every_spelling_is_the_exact_vector(inferencer):
    plain = inferencer.detect(IMAGE, ['horse', 'a red dog'], score_thr=0)
    other = inferencer.detect(IMAGE, ['The Horses', 'a red dog'], score_thr=0)
    np.testing.assert_array_equal(plain.boxes, other.boxes)
    np.testing.assert_array_equal(plain.scores, other.scores)
    ((_, sample),) = inferencer.stream(IMAGE, ['a horse', 'a red dog'], return_eam=True)
    alignment = sample.alignment
    assert alignment.weights_of(0, 'P4') == [('<exact>', 1.0)]
    assert [name for name, _ in alignment.weights_of(1, 'P4')] == ['a', 'red', 'dog', '<sentence>']
    feats, masks = inferencer.model._encode_text(['horses', 'a person'])
    vectors = inferencer.model.known_names.vectors
    torch.testing.assert_close(feats[:, 0], vectors)
    assert masks.sum(1).tolist() == [1, 1]


def test_thresholds_of_a_models_own_classes(inferencer, monkeypatch):
    known = KnownClasses(('horse', 'dog'), (0.9, None))
    monkeypatch.setattr(inferencer.model, 'known_classes', known)
    found = inferencer.detect(IMAGE, ['Horse', 'cat'])
    assert found.thresholds == [0.9, default_threshold(2)]
    assert inferencer.detect(IMAGE, ['horse', 'cat'], score_thr=0.3).thresholds == [0.3, 0.3]


def test_everything_that_the_model_knows(inferencer, tmp_path):
    found = inferencer.detect(IMAGE, '*', score_thr=0)
    assert found.prompts == ['horse', 'people'] and len(found) > 0
    assert set(found.names) <= {'horse', 'people'}
    (record,) = inferencer(IMAGE, texts=['*'])['predictions']
    np.testing.assert_allclose(record['scores'], found.scores, atol=1e-6)
    assert record['label_names'] == found.names
    large = inferencer.detect(IMAGE, '*', score_thr=0, patch_size=400)
    assert set(large.names) <= {'horse', 'people'}
    assert found.explain().shape[2] == 3  # of the names that were found
    with pytest.raises(ValueError, match="'\\*' stands for everything"):
        inferencer.detect(IMAGE, 'a cat. *')
    with pytest.raises(ValueError, match="'\\*' stands for everything"):
        inferencer.detect([IMAGE, IMAGE], [['*'], ['cat', '*']])


def test_a_model_without_names_cannot_find_everything(mini_inferencer):
    with pytest.raises(ValueError, match="texts='lvis'"):
        mini_inferencer.detect(IMAGE, '*')
