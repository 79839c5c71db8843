"""Prompts that bring their tokens, in the exported detector: what PyTorch finds with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from expalign.models.prompt_fitting.space import prompt_space
from expalign.runtime import OnnxDetector
from expalign.runtime.prompts import encode_prompts
from expalign.structures.prompt_set import PromptSet
from expalign.structures.token_prompt import TokenPrompt
from tests.helpers.exported import IMAGES, make


@pytest.fixture(scope='module')
def exported(tmp_path_factory, run_at_root):
    """A tiny detector under fixed guides, with its text side."""
    from expalign.deploy.export_graph import export_detector
    from expalign.deploy.export_text import export_text_side
    exported = make('max_sigmoid', tmp_path_factory.mktemp('fixed'))
    exported.model.guides = 'fixed'
    export_detector(exported.model, exported.settings(), exported.detector_file)
    export_text_side(exported.model, exported.text_file, 'tiny.py')
    return exported


def given(model, name='mug', seed=0):
    width = model.neck.embed_dims
    tokens = np.random.default_rng(seed).normal(size=(2, width)) / width ** 0.5
    return TokenPrompt(name, tokens, prompt_space(model))


def assert_parity(found, expected):
    assert 0 < len(found.scores) == len(expected)
    np.testing.assert_allclose(found.scores, expected.scores.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.boxes, expected.bboxes.numpy(), atol=0.05)
    assert found.names == list(expected.label_names)


def test_mixed_with_words_they_find_what_pytorch_finds(exported):
    prompts = ['a cat', given(exported.model), 'red dog']
    detector = exported.onnx(image_size=(320, 320))
    expected = exported.torch(IMAGES[0], prompts, 320)
    (found,) = detector(IMAGES[0], prompts, score_thr=0)
    assert set(found.names) == {'a cat', 'mug', 'red dog'}
    assert_parity(found, expected)
    # Beside other words a word scores what it did.
    (alone,) = detector(IMAGES[0], ['a cat'], score_thr=0)
    count = 10
    np.testing.assert_allclose(
        alone.scores[:count], found.scores[found.labels == 0][:count], atol=1e-5)


def test_alone_they_need_no_text_side(exported):
    detector = OnnxDetector(exported.detector_file, threads=1, image_size=(320, 320))
    prompts = PromptSet([given(exported.model), given(exported.model, 'jug', 1)])
    (found,) = detector(IMAGES[0], prompts, score_thr=0)
    assert_parity(found, exported.torch(IMAGES[0], list(prompts), 320))
    with pytest.raises(ValueError, match='no text side'):
        detector(IMAGES[0], ['cat', prompts])


def test_they_are_baked_with_the_guides_they_were_made_with(exported, tmp_path):
    from expalign.deploy.export_graph import baked_tokens, export_detector
    path, prompts = tmp_path / 'm.onnx', [given(exported.model), 'dog']
    exported.model.guides = 'prompts'
    try:
        settings = exported.settings(vocabulary=prompts)
        assert settings.guides == 'fixed' and exported.settings().guides == 'prompts'
        export_detector(exported.model, settings, path, baked_tokens(exported.model, prompts))
        (found,) = OnnxDetector(path, threads=1, image_size=(320, 320))(IMAGES[0], score_thr=0)
        assert_parity(found, exported.torch(IMAGES[0], prompts, 320))
    finally:
        exported.model.guides = 'fixed'


def test_tokens_of_another_model_or_gate_are_refused(exported):
    settings, prompt = exported.settings(), given(exported.model)
    assert settings.guides == 'fixed' and settings.image_side == prompt.space
    for wrong in (TokenPrompt('mug', prompt.tokens, '0123456789abcdef'),
                  TokenPrompt('mug', prompt.tokens[:, 1:], prompt.space)):
        with pytest.raises(ValueError, match="'mug' are of another model"):
            encode_prompts((wrong,), None, settings)
    with pytest.raises(ValueError, match="'mug' brings its tokens.*model.guides=fixed"):
        encode_prompts((prompt,), None, replace(settings, guides='prompts'))
    # Where nobody knows whose they are, their width is all that can be checked.
    feats = encode_prompts((TokenPrompt('mug', prompt.tokens),), None, settings).inputs()
    assert torch.equal(torch.from_numpy(feats['txt_feats'][0]), torch.from_numpy(
        np.array(prompt.tokens)))
