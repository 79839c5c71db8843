"""Which prompts an image gets, and what becomes of its instances."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from expalign.datasets.transforms import SamplePrompts


def make_results(labels, num_classes, ignored=None):
    """Instance i has the box (i, 0, i + 1, 1), by which the tests recognise it."""
    boxes = torch.tensor([[i, 0, i + 1, 1] for i in range(len(labels))], dtype=torch.float32)
    return dict(
        text=[f'class {i}' for i in range(num_classes)],
        gt_bboxes=HorizontalBoxes(boxes.reshape(-1, 4)),
        gt_bboxes_labels=np.array(labels, dtype=np.int64),
        gt_ignore_flags=np.array(ignored or [False] * len(labels), dtype=bool))


def kept_instances(results):
    """(instance, class name) of the instances that are left."""
    indices = results['gt_bboxes'].tensor[:, 0].int().tolist()
    assert len(results['gt_ignore_flags']) == len(indices)
    return [(i, results['text'][label])
            for i, label in zip(indices, results['gt_bboxes_labels'], strict=True)]


def test_positives_are_kept_and_labels_follow():
    results = SamplePrompts(20)(make_results([70, 3, 70, 41], 100))
    assert len(results['text']) == len(set(results['text'])) == 20
    assert kept_instances(results) == [
        (0, 'class 70'), (1, 'class 3'), (2, 'class 70'), (3, 'class 41')]
    assert results['prompt_masks'] == [True] * 20
    assert results['gt_bboxes_labels'].dtype == np.int64


def test_negatives_are_uniform():
    np.random.seed(0)
    draws, transform = 1500, SamplePrompts(20)
    counts = np.zeros(100)
    for _ in range(draws):
        for name in transform(make_results([70, 3, 70, 41], 100))['text']:
            counts[int(name.split()[1])] += 1
    assert (counts[[70, 3, 41]] == draws).all()
    share = 17 / 97  # 17 places for 97 absent classes
    sigma = np.sqrt(share * (1 - share) / draws)
    others = np.delete(counts, [70, 3, 41]) / draws
    assert np.abs(others - share).max() < 5 * sigma
    assert others.sum() == pytest.approx(17)


def test_more_positives_than_prompts():
    np.random.seed(0)
    draws, transform = 1000, SamplePrompts(4)
    labels = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    counts = np.zeros(10)
    for _ in range(draws):
        results = transform(make_results(labels, 50))
        kept = kept_instances(results)
        assert len(results['text']) == 4
        assert {name for _, name in kept} == set(results['text'])
        assert all(name == f'class {labels[i]}' for i, name in kept)
        assert len(kept) == (5 if 'class 0' in results['text'] else 4)
        for name in results['text']:
            counts[int(name.split()[1])] += 1
    assert np.abs(counts / draws - 0.4).max() < 5 * np.sqrt(0.4 * 0.6 / draws)


def test_no_instances():
    results = SamplePrompts(20)(make_results([], 100))
    assert len(set(results['text'])) == 20
    assert kept_instances(results) == [] and results['gt_bboxes'].tensor.shape == (0, 4)


@pytest.mark.parametrize('num_classes', [1, 6, 20])
def test_a_small_vocabulary_is_kept_whole(num_classes):
    results = SamplePrompts(20)(make_results([0], num_classes))
    assert results['text'] == [f'class {i}' for i in range(num_classes)]
    assert kept_instances(results) == [(0, 'class 0')]


def test_ignored_instances_are_neither_positive_nor_negative():
    """Class 1 occurs in a crowd alone; class 2 in a crowd and by itself."""
    results = SamplePrompts(5)(make_results([1, 2, 2, 3], 5, [True, True, False, False]))
    assert results['text'] == ['class 0', 'class 2', 'class 3', 'class 4']
    assert kept_instances(results) == [(1, 'class 2'), (2, 'class 2'), (3, 'class 3')]
    assert results['gt_ignore_flags'].tolist() == [True, False, False]


def test_nothing_but_an_ignored_class():
    results = SamplePrompts(5)(make_results([0, 0], 1, [True, True]))
    assert results['text'] == ['class 0'] and results['prompt_masks'] == [False]
    assert results['gt_ignore_flags'].tolist() == [True, True]


def test_works_without_optional_keys():
    results = SamplePrompts(2)(dict(text=['a', 'b', 'c'], gt_bboxes_labels=np.array([2, 2])))
    assert results['text'][-1] == 'c' and results['gt_bboxes_labels'].tolist() == [1, 1]


def test_numpy_seed_decides():
    def draw(seed):
        np.random.seed(seed)
        return SamplePrompts(20)(make_results([5], 300))['text']

    assert draw(1) == draw(1) != draw(2)


def test_errors():
    with pytest.raises(ValueError, match='num_prompts must be 1 or more, got 0'):
        SamplePrompts(0)
    with pytest.raises(KeyError, match='expalign.TextCocoDataset'):
        SamplePrompts(5)(dict(gt_bboxes_labels=np.array([0])))
