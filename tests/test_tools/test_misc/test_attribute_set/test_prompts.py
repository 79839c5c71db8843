"""What pictures are asked: true of what is said, apart in training, held out where promised."""

from functools import cache

import numpy as np
import pytest
from attribute_set.prompts import SPLITS, test_prompts, training_prompts
from attribute_set.scene import Scene, Thing, make_scene
from attribute_set.words import (
    ATTRIBUTES,
    HELD_NOUNS,
    OPPOSITE,
    SHAPES,
    SIZES,
    held_out,
    paraphrases,
)

test_prompts.__test__ = False  # it is no test
SCENES = 12
PLAIN = ('seen', 'combinations', 'held-out nouns')


def scenes(training, repeats=6):
    """Made-up scenes, each asked several times."""
    for seed in range(repeats * SCENES):
        yield np.random.default_rng(seed), drawn(seed % SCENES, training)


@cache
def drawn(seed, training):
    return make_scene(np.random.default_rng(seed), None, True, training)


def pairs_in(prompt):
    """Attributes and nouns that stand in a prompt together."""
    words = prompt.split()
    return [(value, noun) for value in ATTRIBUTES for noun in SHAPES
            if value in words and noun in words]


def thing(noun, attribute, x, size='small', side=20):
    mask = np.zeros((100, 300), bool)
    mask[40:40 + side, x:x + side] = True
    return Thing(noun, mask, attribute, size)


def by_hand():
    """A red and a blue box, both left of a striped circle."""
    value = next(v for v in ('blue', 'green', 'yellow') if not held_out(v, 'box'))
    things = [thing('box', 'red', 10), thing('box', value, 60), thing('circle', 'striped', 200)]
    return value, Scene(np.zeros((100, 300, 3), np.uint8), things, {'box', 'circle'})


def test_training_never_says_what_is_held_out():
    for rng, scene in scenes(True):
        for question in training_prompts(rng, scene, [n for n in SHAPES if n not in HELD_NOUNS]):
            assert not set(question.prompt.split()) & HELD_NOUNS
            for value, noun in pairs_in(question.prompt):
                near = f'{value} {noun}' in question.prompt or 'that is' in question.prompt
                assert not (near and held_out(value, noun)), question.prompt
            for form in ('a photo', 'the ', ' in ', ' with ', 'coloured', 'painted', 'covered'):
                assert form not in question.prompt


def test_an_object_has_one_training_prompt():
    for rng, scene in scenes(True):
        owned = [index for question in training_prompts(rng, scene, SHAPES)
                 for index in question.things]
        assert len(owned) == len(set(owned))


def test_split_and_boxes_are_what_the_words_say():
    seen = dict.fromkeys(SPLITS, 0)
    for rng, scene in scenes(False):
        for question in test_prompts(rng, scene, SHAPES):
            seen[question.split] += 1
            if question.split in PLAIN:
                value, noun = question.prompt.split()
                true = tuple(index for index, x in enumerate(scene.things)
                             if (x.noun, x.attribute) == (value, noun)[::-1])
                assert question.things == true, question.prompt
                new = held_out(value, noun)
                if question.things and noun not in HELD_NOUNS:
                    assert (question.split == 'combinations') == new
                assert (question.split == 'held-out nouns') == (noun in HELD_NOUNS)
            elif question.split == 'nouns':
                assert question.things == tuple(
                    index for index, x in enumerate(scene.things) if x.noun == question.prompt)
    assert min(seen.values()) > 5


def test_rivals_are_true_of_nothing_here():
    for rng, scene in scenes(False):
        asked = {question.prompt: question for question in test_prompts(rng, scene, SHAPES)}
        for question in asked.values():
            if question.rival and question.split not in ('negation', 'relations'):
                assert asked[question.rival].things == ()
                assert asked[question.rival].split not in ('nouns', 'negation', 'relations')
            if question.split == 'negation':
                assert not set(question.things) & set(asked[question.rival].things)


def test_prompts_of_a_scene_made_by_hand():
    value, scene = by_hand()
    asked = {question.prompt: question for question in test_prompts(
        np.random.default_rng(0), scene, SHAPES)}
    assert asked['box'].things == (0, 1) and asked['circle'].things == (2,)
    if not held_out('red', 'box'):
        assert asked['red box'].things == (0,)
        negation = asked[f'box that is not {value}']
        assert negation.things == (0,) and negation.rival == 'box that is not red'
    relation = [q for q in asked.values() if q.split == 'relations']
    for question in relation:
        if ' left of a circle' in question.prompt:
            assert question.things
        if ' right of a circle' in question.prompt:
            assert question.things == ()
    assert relation


def test_training_prompts_of_a_scene_made_by_hand():
    value, scene = by_hand()
    found = {}
    for seed in range(60):
        for question in training_prompts(np.random.default_rng(seed), scene, SHAPES):
            found.setdefault(question.prompt, set()).add(question.things)
    expected = {
        'box': (0, 1), f'{value} box': (1,), f'box that is {value}': (1,),
        f'box that is not {value}': (0,), f'small {value} box left of a circle': (1,),
        f'small {value} box right of a circle': (), f'small {value} box': (1,),
        f'large {value} box': (), 'striped circle': (2,)}
    for prompt, things in expected.items():
        if prompt in found:
            assert found[prompt] == {things}, prompt
    assert len(expected.keys() & found.keys()) >= 7


def test_wordings_have_up_to_eight_words():
    lengths = {len(question.prompt.split()) for rng, scene in scenes(False)
               for question in test_prompts(rng, scene, SHAPES)}
    assert {1, 2, 3, 4, 5, 6, 7} <= lengths


@pytest.mark.parametrize('noun', SHAPES)
def test_every_noun_has_words_to_train_with(noun):
    assert any(not held_out(value, noun) for value in ATTRIBUTES)
    assert all(paraphrases(value, noun) for value in ATTRIBUTES)
    assert set(OPPOSITE) == set(OPPOSITE.values()) and len(SIZES) == 2
