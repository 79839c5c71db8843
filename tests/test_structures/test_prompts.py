"""What a text means."""

import warnings

import numpy as np
import pytest

from expalign.structures.prompts import distinct_prompts, first_occurrences, parse_prompts


@pytest.mark.parametrize(('text', 'custom', 'prompts'), [
    (['cat', ' a red dog '], False, ['cat', 'a red dog']),
    (('cat', 'dog'), True, ['cat', 'dog']),
    (['St. Bernard'], True, ['St. Bernard']),
    ('cat . dog.', True, ['cat', 'dog']),
    ('cat . dog', False, ['cat . dog']),
    ('a person. the red bus', True, ['a person', 'the red bus']),
])
def test_lists_are_prompts_and_strings_split_on_demand(text, custom, prompts):
    assert parse_prompts(text, custom) == prompts


def test_what_has_an_order_is_a_list():
    names = {0: 'cat', 1: 'dog'}
    for text in (np.array(['cat', 'dog']), names.values(), dict.fromkeys(['cat', 'dog']).keys(),
                 (name for name in ('cat', 'dog'))):
        assert parse_prompts(text) == ['cat', 'dog']
    for text in (names, {'cat', 'dog'}):
        with pytest.raises(TypeError, match='list of strings, got (dict|set)'):
            parse_prompts(text)


@pytest.mark.parametrize('text', [[], '', ' . . '])
def test_no_prompt_is_an_error(text):
    with pytest.raises(ValueError, match='give at least one'):
        parse_prompts(text, custom_entities=True)


def test_a_prompt_of_white_space_is_named():
    with pytest.raises(ValueError, match=r"prompt 1 of \['cat', '\\t '\] is only white space"):
        parse_prompts(['cat', '\t '])
    with pytest.raises(ValueError, match='only white space'):
        parse_prompts(' ', custom_entities=False)


@pytest.mark.parametrize(('text', 'message'), [
    (3, 'string or a list of strings, got int'), (['cat', 7], 'prompt 1 is 7 of type int'),
    (b'cat', 'string or a list of strings, got bytes'), ([b'cat'], "prompt 0 is b'cat' of type")])
def test_other_types_are_named(text, message):
    with pytest.raises(TypeError, match=message):
        parse_prompts(text)


@pytest.mark.parametrize('prompt', ['caf\udce9', 'cat \ud800'])
def test_halves_of_characters_are_named(prompt):
    """The first is what a terminal's Latin-1 bytes become; no tokenizer takes them."""
    for text in (prompt, ['dog', prompt]):
        with pytest.raises(ValueError, match='no valid Unicode: was it typed or stored in another'):
            parse_prompts(text)


def test_case_and_white_space_do_not_count():
    prompts = ['Red horse', 'red  HORSE', ' red\thorse', 'cafe\u0301', 'caf\u00e9', 'cow']
    assert distinct_prompts(prompts) == ['Red horse', 'cafe\u0301', 'cow']
    with pytest.warns(UserWarning, match='scored once'):
        assert first_occurrences(prompts) == [0, 0, 0, 3, 3, 5]
    assert first_occurrences(prompts, key=str) == list(range(6))


def test_duplicates_point_to_the_first_and_warn_once():
    prompts = ['owl', 'elk', 'owl', 'owl', 'elk', 'emu']
    with pytest.warns(UserWarning, match=r"scored once, under their first index: \['elk', 'owl'\]"):
        assert first_occurrences(prompts) == [0, 1, 0, 0, 1, 5]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        first_occurrences(prompts)
