"""Recall of hand-made phrases: ranks, several boxes, phrases without a box or a prediction."""

import pytest
from mmengine.registry import METRICS

from expalign.evaluation import PhraseGroundingMetric
from tests.helpers.grounded import evaluate, grounded_sample

FAR = (80, 80, 90, 90)
A, B = (0, 0, 10, 10), (20, 0, 30, 10)
AROUND_BOTH = (0, 0, 30, 10)


def ranked(label, rank, box):
    """``rank - 1`` wrong boxes before the right one."""
    return [(label, 1 - .01 * i, FAR) for i in range(rank - 1)] + [(label, .5, box)]


def test_recall_at_1_5_10_by_rank():
    # The right boxes are first, 2nd, 5th, 6th, 10th, 11th.
    ranks = [1, 2, 5, 6, 10, 11]
    sample = grounded_sample(
        [f'phrase {i}' for i in range(6)], [(i, A) for i in range(6)],
        [row for i, rank in enumerate(ranks) for row in ranked(i, rank, A)])
    assert evaluate(PhraseGroundingMetric(), [sample]) == pytest.approx(
        {'grounding/all_R@1': 1 / 6, 'grounding/all_R@5': 3 / 6, 'grounding/all_R@10': 5 / 6})


def test_phrases_of_other_labels_do_not_take_ranks():
    sample = grounded_sample(
        ['a', 'b'], [(0, A), (1, B)], [*ranked(0, 11, FAR), (1, .01, B)])
    assert evaluate(PhraseGroundingMetric(topk=(1,)), [sample]) == {'grounding/all_R@1': 0.5}


@pytest.mark.parametrize(('protocol', 'box', 'recall'), [
    ('any', B, 1.0), ('any', AROUND_BOTH, 0.0), ('merged', B, 0.0), ('merged', AROUND_BOTH, 1.0)])
def test_several_boxes_of_a_phrase(protocol, box, recall):
    sample = grounded_sample(['two cups'], [(0, A), (0, B)], [(0, .5, box)])
    metric = PhraseGroundingMetric(topk=[1], protocol=protocol)
    assert evaluate(metric, [sample]) == {'grounding/all_R@1': recall}


def test_phrases_without_a_box_do_not_count_and_silent_ones_do():
    sample = grounded_sample(['a', 'the sky', 'c'], [(0, A), (2, B)], [(0, .5, A), (1, .5, A)])
    assert evaluate(PhraseGroundingMetric(topk=[1]), [sample]) == {'grounding/all_R@1': 0.5}


def test_splits_are_apart_and_weigh_phrases_not_samples():
    one = grounded_sample(['a'], [(0, A)], [(0, .5, A)], source='val')
    two = grounded_sample(['a', 'b'], [(0, A), (1, B)], [], source='val')
    other = grounded_sample(['a'], [(0, A)], [(0, .5, A)], source='test')
    assert evaluate(PhraseGroundingMetric(topk=[1]), [one, two, other]) == {
        'grounding/val_R@1': pytest.approx(1 / 3), 'grounding/test_R@1': 1.0}


def test_nothing_to_recall():
    with pytest.raises(ValueError, match='no phrase of all has a box'):
        evaluate(PhraseGroundingMetric(), [grounded_sample(['a'], [], [])])


@pytest.mark.parametrize('settings', [dict(protocol='all'), dict(topk=()), dict(topk=(0, 1))])
def test_wrong_settings(settings):
    with pytest.raises(ValueError, match=f'{next(iter(settings))} must be'):
        PhraseGroundingMetric(**settings)


def test_an_instance_of_no_prompt():
    sample = grounded_sample(['a'], [(1, A)], [])
    with pytest.raises(ValueError, match="image 'a.jpg' has an instance of label 1, but 1 prompts"):
        PhraseGroundingMetric().process({}, [sample])


def test_it_is_registered():
    metric = METRICS.build(dict(type='expalign.PhraseGroundingMetric'))
    assert metric.topk == (1, 5, 10)
