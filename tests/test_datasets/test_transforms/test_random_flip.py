"""Flips and the words left and right."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from expalign.datasets.transforms import RandomFlip
from expalign.datasets.transforms.random_flip import names_a_side, swap_sides


@pytest.mark.parametrize(('phrase', 'swapped'), [
    ('the left dog', 'the right dog'),
    ('Leftmost of two, RIGHT one', 'Rightmost of two, LEFT one'),
    ('left-hand car to the right of a left', 'right-hand car to the left of a right'),
    ('lefthand side, right side', 'righthand side, left side'),
    ('a bright copyright', 'a bright copyright'),
    (['left arm', 'an arm'], ['right arm', 'an arm']),
])
def test_words(phrase, swapped):
    assert swap_sides(phrase) == swapped and swap_sides(swapped) == phrase
    assert names_a_side(phrase) == (phrase != swapped)


def flip(flip_text, text, labels=(0,), prob=1.0):
    results = dict(
        img=np.arange(12, dtype=np.uint8).reshape(2, 6, 1).repeat(3, 2), text=text,
        gt_bboxes=HorizontalBoxes(torch.tensor([[0., 0., 2., 1.]] * len(labels))),
        gt_bboxes_labels=np.array(labels))
    return RandomFlip(flip_text=flip_text, prob=prob)(results)


@pytest.mark.parametrize(('flip_text', 'flipped', 'text'), [
    (None, True, ['left dog', 'cat']),
    ('swap_left_right', True, ['right dog', 'cat']),
    ('skip', False, ['left dog', 'cat'])])
def test_choices(flip_text, flipped, text):
    results = flip(flip_text, ['left dog', 'cat'])
    assert results['flip'] is flipped and results['text'] == text
    assert results['flip_direction'] == ('horizontal' if flipped else None)
    assert results['gt_bboxes'].tensor.tolist() == [[4, 0, 6, 1] if flipped else [0, 0, 2, 1]]
    assert results['img'][0, 0, 0] == (5 if flipped else 0)


def test_text_stays_where_the_image_does():
    assert flip('swap_left_right', ['left dog'], prob=0.0)['text'] == ['left dog']


def test_skip_looks_at_prompts_with_instances_alone():
    assert flip('skip', ['left dog', 'cat'], labels=[1, 1])['flip'] is True
    assert flip('skip', ['cat', ['dog', 'dog on the right']], labels=[0, 1])['flip'] is False
    assert flip('skip', ['left dog'], labels=[])['flip'] is True


def test_bad_arguments():
    with pytest.raises(ValueError, match="flip_text must be one of .*, got 'swap'"):
        RandomFlip(flip_text='swap', prob=0.5)
    with pytest.raises(ValueError, match='for the direction horizontal alone'):
        RandomFlip(flip_text='skip', prob=0.5, direction=['horizontal', 'vertical'])
