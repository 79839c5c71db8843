"""Prompts that bring their tokens, alone, in sets and beside words."""

import copy
import json
import pickle

import numpy as np
import pytest

from expalign.structures.detections import Detections
from expalign.structures.prompt_set import PromptSet
from expalign.structures.prompts import distinct_prompts, first_occurrences, parse_prompts
from expalign.structures.token_prompt import TokenPrompt

TOKENS = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_it_is_its_name_and_equal_to_nothing_else():
    mug = TokenPrompt('  my mug ', TOKENS, 'abc')
    assert f'{mug}' == str(mug) == 'my mug' and type(str(mug)) is str
    assert json.dumps([mug]) == '["my mug"]'
    assert mug != 'my mug' and len({mug, 'my mug'}) == 2
    assert mug == TokenPrompt('my mug', TOKENS.copy(), 'abc')
    assert mug != TokenPrompt('my mug', TOKENS + 1, 'abc') and mug != TokenPrompt('cup', TOKENS)
    # The same numbers in another shape are other tokens.
    assert TokenPrompt('a', np.ones((2, 3))) != TokenPrompt('a', np.ones((3, 2)))
    for other in (pickle.loads(pickle.dumps(mug)), copy.deepcopy(mug), copy.copy(mug)):
        assert other == mug and other.space == 'abc' and hash(other) == hash(mug)
        assert np.array_equal(other.tokens, TOKENS)


def test_its_tokens_are_its_own():
    tokens = TOKENS.copy()
    mug = TokenPrompt('mug', tokens)
    tokens[:] = 7
    assert np.array_equal(mug.tokens, TOKENS)
    with pytest.raises(ValueError, match='read-only'):
        mug.tokens[0, 0] = 1


@pytest.mark.parametrize(('name', 'tokens', 'message'), [
    (' ', TOKENS, 'needs a name'),
    ('mug', TOKENS[0], r"'mug': its tokens must be finite numbers \(L, D\), got shape \(3,\)"),
    ('mug', TOKENS[:0], r'got shape \(0, 3\)'),
    ('mug', np.full((1, 2), np.nan), 'finite')])
def test_what_is_none_is_named(name, tokens, message):
    with pytest.raises(ValueError, match=message):
        TokenPrompt(name, tokens)


def test_they_mix_with_words():
    mug, jug = TokenPrompt('mug', TOKENS), TokenPrompt('jug', TOKENS)
    both = PromptSet([mug, jug])
    for mixed in (['cat', both], ['cat', mug, jug], ('cat', *both)):
        assert parse_prompts(mixed) == ['cat', mug, jug]
    assert parse_prompts(both) == [mug, jug] and both.names == ['mug', 'jug']
    assert parse_prompts(mug) == parse_prompts([mug]) == [mug]
    # A full stop in a name does not split it, as it would a text.
    assert parse_prompts(TokenPrompt('no. 5. big', TOKENS), True) == [
        TokenPrompt('no. 5. big', TOKENS)]


def test_a_word_that_is_the_name_of_tokens_means_them():
    mug = TokenPrompt('Mug', TOKENS)
    prompts = parse_prompts([' mug', 'cat', mug])
    assert prompts == [mug, 'cat', mug]
    assert distinct_prompts(prompts) == [mug, 'cat']
    with pytest.warns(UserWarning, match='scored once'):
        assert first_occurrences(prompts) == [0, 1, 0]
    with pytest.raises(ValueError, match="two prompts named 'mug' bring different tokens"):
        parse_prompts([mug, TokenPrompt('mug', TOKENS + 1)])


def test_a_set_has_no_words_and_something_in_it():
    with pytest.raises(TypeError, match="'cat' is a word"):
        PromptSet(['cat'])
    with pytest.raises(ValueError, match='no prompt'):
        PromptSet([])


def test_results_have_plain_names():
    found = Detections(np.zeros((1, 4)), [0.9], [0], [TokenPrompt('mug', TOKENS)], (4, 4))
    assert found.prompts == ['mug'] and type(found[0].name) is str
