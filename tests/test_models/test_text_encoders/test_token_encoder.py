"""What all text encoders share: shapes, masks, freezing and the cache of prompts."""

import copy
import pickle

import numpy as np
import pytest
import torch

from expalign.models.text_encoders import CLIPTokenEncoder, HFTokenEncoder
from expalign.models.text_encoders.token_cache import TokenCache
from tests.helpers.tokenizers import (
    make_bert_tokenizer,
    make_clip_tokenizer,
    tiny_bert_config,
    tiny_clip_config,
)


@pytest.fixture(scope='module')
def build(tmp_path_factory):
    """Return a function that builds a small encoder of either class."""
    clip = make_clip_tokenizer(tmp_path_factory.mktemp('clip'))
    bert = make_bert_tokenizer(tmp_path_factory.mktemp('bert'))

    def build_encoder(kind=CLIPTokenEncoder, **kwargs):
        torch.manual_seed(0)
        if kind is CLIPTokenEncoder:
            return CLIPTokenEncoder(tiny_clip_config(), tokenizer=clip, **kwargs)
        return HFTokenEncoder(tiny_bert_config(), tokenizer=bert, **kwargs)

    return build_encoder


def record_chunks(encoder):
    """Make an encoder note the prompts of each call of ``encode_batch``."""
    chunks, encode = [], encoder.encode_batch
    encoder.encode_batch = lambda texts: chunks.append(texts) or encode(texts)
    return chunks


@pytest.mark.parametrize('kind', [CLIPTokenEncoder, HFTokenEncoder])
class TestContract:

    def test_shapes_masks_and_zero_padding(self, build, kind):
        encoder = build(kind)
        # 'cat' and 'red' are one token each, 'owl' three; one more for the sentence vector.
        tokens, masks = encoder(['cat', 'owl', 'red cat', ''])
        assert tokens.shape == (4, 4, encoder.out_channels) and tokens.dtype == torch.float32
        assert masks.dtype == torch.bool and masks.sum(1).tolist() == [2, 4, 3, 1]
        assert masks[:, 0].all() and not masks[0, 2:].any()
        assert torch.equal(tokens[~masks], torch.zeros_like(tokens[~masks]))

    def test_repeated_prompts_are_encoded_once_and_in_order(self, build, kind):
        encoder = build(kind)
        chunks = record_chunks(encoder)
        tokens, masks = encoder(['owl', 'cat', 'owl', 'cat', 'cat'])
        assert chunks == [['owl', 'cat']]
        assert torch.equal(tokens[0], tokens[2]) and torch.equal(masks[1], masks[4])
        alone, _ = build(kind)(['cat'])
        torch.testing.assert_close(tokens[3, :2], alone[0])

    def test_tokens_do_not_depend_on_the_company(self, build, kind):
        prompts = ['cat', 'red dog', 'owl on a red dog']
        together, masks = build(kind)(prompts)
        for row, prompt in enumerate(prompts):
            alone, _ = build(kind)([prompt])
            torch.testing.assert_close(together[row][masks[row]], alone[0])

    def test_frozen(self, build, kind):
        encoder = build(kind)
        torch.nn.Sequential(encoder).train()
        assert not any(module.training for module in encoder.modules())
        assert not any(parameter.requires_grad for parameter in encoder.parameters())
        assert not encoder(['cat'])[0].requires_grad

    def test_unfrozen_trains_and_remembers_nothing(self, build, kind):
        encoder = build(kind, frozen=False)
        chunks = record_chunks(encoder)
        for _ in range(2):
            encoder.zero_grad()
            encoder(['cat', 'owl', 'cat'])[0].square().sum().backward()
        assert chunks == [['cat', 'owl']] * 2
        assert encoder.cache_info() == (0, 4, 0, 0)
        # Distributed training waits for the gradient of whatever requires one.
        assert all(p.grad is not None for p in encoder.parameters() if p.requires_grad)
        assert encoder.training

    def test_init_weights_keeps_the_weights(self, build, kind):
        encoder = build(kind)
        before = copy.deepcopy(encoder.state_dict())
        encoder.init_weights()
        assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())

    def test_prompt_over_the_limit_warns_once_and_names_it(self, build, kind, recwarn):
        encoder = build(kind)
        long = ' '.join('x' * 200)
        for prompts in ([long, 'cat'], [long]):
            tokens, masks = encoder(prompts)
            # Start and end take two of the limit, the sentence vector adds one.
            assert masks[0].sum() == encoder.max_length - 1
        encoder._cache.clear()
        encoder([long])
        messages = [str(warning.message) for warning in recwarn if 'limit' in str(warning.message)]
        assert len(messages) == 1
        assert f'has 202 tokens, {encoder.max_length} is the limit' in messages[0]
        assert repr(long) in messages[0]

    def test_prompt_at_the_limit_is_silent(self, build, kind, recwarn):
        encoder = build(kind)
        encoder(['x' * (encoder.max_length - 2)])
        assert not [w for w in recwarn if 'limit' in str(w.message)]

    def test_bad_input(self, build, kind):
        encoder = build(kind)
        with pytest.raises(ValueError, match='empty list of prompts'):
            encoder([])
        for texts in ('cat', ['cat', 3]):
            with pytest.raises(TypeError, match='takes a list of prompts, got'):
                encoder(texts)


class TestCache:

    def test_hits_misses_and_bound(self, build):
        encoder = build(cache_size=2)
        encoder(['cat', 'dog', 'cat'])
        assert encoder.cache_info() == (0, 2, 2, 2)
        encoder(['cat'])            # 'dog' is now the least recently used
        encoder(['owl'])
        assert encoder.cache_info() == (1, 3, 2, 2)
        encoder(['cat', 'owl'])
        assert encoder.cache_info() == (3, 3, 2, 2)
        encoder(['dog'])
        assert encoder.cache_info() == (3, 4, 2, 2)

    def test_more_prompts_than_it_holds(self, build):
        names = [f'{letter}{digit}' for letter in 'abcde' for digit in range(4)]
        small, large = build(cache_size=3), build()
        for _ in range(2):
            torch.testing.assert_close(small(names)[0], large(names)[0])
        assert small.cache_info().size == 3

    def test_chunks(self, build):
        encoder = build(batch_size=8)
        chunks = record_chunks(encoder)
        encoder([f'{letter}{digit}' for letter in 'abcd' for digit in range(5)])
        assert [len(chunk) for chunk in chunks] == [8, 8, 4]

    def test_cached_tokens_equal_fresh_ones(self, build):
        encoder = build()
        first = encoder(['cat', 'owl'])
        second = encoder(['cat', 'owl'])
        assert encoder.cache_info().hits == 2
        assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])

    @pytest.mark.parametrize('move', [
        lambda encoder: encoder.to(torch.float64),
        lambda encoder: torch.nn.Sequential(encoder).double(),
        lambda encoder: encoder.load_state_dict(encoder.state_dict()),
    ])
    def test_moving_casting_or_loading_empties_it(self, build, move):
        encoder = build()
        encoder(['cat'])
        move(encoder)
        assert encoder.cache_info().size == 0
        assert encoder(['cat'])[0].dtype == torch.float32

    def test_new_weights_give_new_tokens(self, build):
        encoder = build()
        before, _ = encoder(['cat'])
        other = {key: value + 1 for key, value in encoder.state_dict().items()}
        torch.nn.Sequential(encoder).load_state_dict({f'0.{k}': v for k, v in other.items()})
        assert not torch.allclose(encoder(['cat'])[0], before)

    def test_copies_and_pickles_are_empty(self, build):
        encoder = build()
        encoder(['cat'])
        assert copy.deepcopy(encoder).cache_info() == (0, 0, 0, 10000)
        assert pickle.loads(pickle.dumps(encoder._cache)).info() == (0, 0, 0, 10000)
        assert encoder.cache_info() == (0, 1, 1, 10000)

    def test_size_zero_keeps_nothing(self):
        cache = TokenCache(0)
        rows = np.arange(3)
        assert cache.put('cat', rows) is rows  # it has to go at once
        assert cache.get(['cat']) == dict(cat=None)

    def test_filled_under_inference_mode_it_serves_training(self, build):
        encoder = build()
        with torch.inference_mode():
            encoder(['cat'])
        weight = torch.ones(encoder.out_channels, requires_grad=True)
        (encoder(['cat'])[0] * weight).sum().backward()
        assert weight.grad.abs().sum() > 0

    def test_autocast_does_not_reach_a_frozen_encoder(self, build):
        with torch.autocast('cpu', torch.bfloat16):
            low, _ = build()(['owl'])
        assert torch.equal(low, build()(['owl'])[0])


def test_limits_and_vocabularies_must_agree(build, tmp_path):
    with pytest.raises(ValueError, match='max_length=100 is more than the 77 tokens'):
        build(max_length=100)
    with pytest.warns(UserWarning, match='has 52 tokens, 5 is the limit'):
        assert build(max_length=5)(['x' * 50])[1].sum() == 4
    bert = make_bert_tokenizer(tmp_path)
    with pytest.raises(ValueError, match='the tokenizer has 144 tokens, the network embeds 100'):
        HFTokenEncoder(tiny_bert_config(vocab_size=100), tokenizer=bert)
