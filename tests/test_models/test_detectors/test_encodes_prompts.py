"""Prompts that bring their tokens, and guides that do not depend on the list."""

import hashlib

import numpy as np
import pytest
import torch

from expalign.models.prompt_fitting.space import prompt_space
from expalign.registry import MODELS
from expalign.structures.prompt_set import PromptSet
from expalign.structures.token_prompt import TokenPrompt
from tests.helpers.models import sample, tiny_detector_config

WIDTH = 10


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    config = tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))
    # One prompt gates all cells of a level: heads of 4 channels, as the layers have them.
    config.neck.update(inject='max_sigmoid', in_channels=[32, 32, 32])
    config.neck.pafpn.out_channels = [32, 32, 32]
    config.bbox_head.head_module.in_channels = [32, 32, 32]
    return config


def build(config, **changes):
    torch.manual_seed(0)
    model = MODELS.build({**config, **changes})
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight, std=0.1)
    for bias in model.bbox_head.head_module.biases:
        torch.nn.init.constant_(bias, -1.0)
    return model.eval()


@pytest.fixture(scope='module')
def image():
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def logits(model, image, text):
    """(K, N), before any box is left out."""
    maps, _ = model._forward(image, [sample(text)])[:2]
    return torch.cat([level[0].flatten(1) for level in maps], 1)


@torch.no_grad()
def found(model, image, text):
    return model.predict(image, [sample(text, custom_entities=False)])[0].pred_instances


def given(name='mug', seed=0, length=2, space=''):
    tokens = np.random.default_rng(seed).normal(size=(length, WIDTH))
    return TokenPrompt(name, tokens, space)


@torch.no_grad()
def test_tokens_of_words_given_as_tokens_are_the_words(config, image):
    model = build(config, guides='fixed')
    feats, masks = model._encode_text(['a red dog'])
    named = TokenPrompt('rex', feats[0][masks[0]].numpy())
    torch.testing.assert_close(logits(model, image, ['cat', named]),
                               logits(model, image, ['cat', 'a red dog']))
    result = found(model, image, ['cat', named])
    assert set(result.label_names) == {'cat', 'rex'}
    assert all(type(name) is str for name in result.label_names)


def test_other_prompts_do_not_change_by_a_bit(config, image):
    model = build(config, guides='fixed')
    words = ['cat', 'a dog']
    alone = logits(model, image, words)
    beside = [logits(model, image, [*words, given(seed=seed)]) for seed in range(3)]
    assert not torch.equal(beside[0][2], beside[1][2])
    for other in beside[1:]:
        assert torch.equal(other[:2], beside[0][:2])
    # Beside fewer or more prompts products are summed in another order.
    for others in ([given()], [given(), given('jug', 1, 5)], ['owl'], ['red', given(seed=2)]):
        torch.testing.assert_close(
            logits(model, image, [*words, *others])[:2], alone, rtol=0, atol=2e-6)


def test_the_list_gates_unless_a_prompt_brings_tokens(config, image):
    listed, fixed = build(config), build(config, guides='fixed')
    one, two = (logits(listed, image, text)[0] for text in (['cat'], ['cat', 'owl']))
    assert not torch.allclose(one, two)
    # With tokens in the list it is under the fixed guides, in either model.
    mixed = ['cat', given()]
    assert torch.equal(logits(listed, image, mixed), logits(fixed, image, mixed))
    torch.testing.assert_close(
        logits(listed, image, mixed)[0], logits(fixed, image, ['cat'])[0], rtol=0, atol=2e-6)
    with pytest.raises(ValueError, match=r"guides must be one of \('prompts', 'fixed'\), got 'x'"):
        build(config, guides='x')


def test_kept_vocabularies_tell_words_and_tokens_apart(config, image):
    """One name, three meanings, asked for one after another."""
    model = build(config, guides='fixed')
    texts = ['mug'], [given()], [given(seed=1)]
    first = [found(model, image, text).scores for text in texts]
    assert not any(torch.equal(first[0], other) for other in first[1:])
    for text, scores in zip(texts, first, strict=True):
        assert torch.equal(found(model, image, text).scores, scores)
    model.set_vocabulary(['cat', PromptSet(texts[1])])
    assert model.vocabulary == ('cat', given())
    assert torch.equal(
        found(model, image, None).scores, found(model, image, ['cat', given()]).scores)


def test_tokens_of_another_model_are_refused(config, image):
    model = build(config)
    own = prompt_space(model)
    found(model, image, [given(space=own)])
    with pytest.raises(ValueError, match="the prompt 'mug' are of another model"):
        found(model, image, ['cat', given(space='0123456789abcdef')])
    with pytest.raises(ValueError, match='7 numbers wide'):
        found(model, image, [TokenPrompt('mug', np.ones((1, 7)))])
    # What is trained of prompts alone leaves the space as it is; the head does not.
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight)
    assert prompt_space(model) == own
    model.bbox_head.head_module.biases[1].data += 1
    assert prompt_space(model) != own


def test_it_is_of_weights_in_half_precision(config):
    model = build(config)
    own = prompt_space(model)
    assert prompt_space(model.half()) == own


def test_training_reads_the_fixed_guides_too(config, image):
    images = image.repeat(2, 1, 1, 1)
    losses = {}
    for guides in ('prompts', 'fixed'):
        model = build(config, guides=guides).train()
        samples = [sample(['cat', 'dog']), sample(['cat', 'dog'])]
        losses[guides] = float(model.loss(images, samples)['loss_cls'].detach())
    assert losses['prompts'] != losses['fixed']


def test_a_pyramid_without_gates_has_no_guides(tmp_path, image):
    plain = build(tiny_detector_config(tmp_path))
    assert plain.guides_of([given()]) is None
    torch.testing.assert_close(
        logits(plain, image, ['cat', given()])[0], logits(plain, image, ['cat'])[0], rtol=0,
        atol=2e-6)


def test_the_guides_that_tokens_are_made_under_stay():
    """Saved prompts and the shipped background were made under these: others need another space.

    Whoever changes the names has to make :func:`prompt_space` tell them, so that old files are
    refused.
    """
    from expalign.models.detectors.encodes_prompts import GUIDE_NAMES
    assert len(GUIDE_NAMES) == 80
    assert hashlib.sha256('\n'.join(GUIDE_NAMES).encode()).hexdigest()[:16] == 'd7654b2610157284'
