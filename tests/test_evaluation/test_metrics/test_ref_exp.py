"""Hand-made expressions: hits, misses, no prediction, splits, equal words, the IoU's edge."""

import pytest
from mmengine.registry import METRICS

from expalign.evaluation import RefExpMetric
from tests.helpers.grounded import evaluate, grounded_sample

LEFT, RIGHT = (0, 0, 10, 10), (50, 0, 60, 10)
HALF = (0, 0, 10, 20)  # IoU with LEFT: 100 / 200


def test_the_best_box_of_each_expression_counts():
    sample = grounded_sample(
        ['left cup', 'right cup', 'the red one'], [(0, LEFT), (1, RIGHT), (2, RIGHT)],
        [(0, .2, LEFT), (0, .1, RIGHT),  # hit
         (1, .3, LEFT), (1, .9, RIGHT),  # hit, though listed second
         (2, .8, LEFT), (2, .7, RIGHT)],  # miss: only the second best is right
        source='refcoco_val')
    assert evaluate(RefExpMetric(), [sample]) == {'refexp/refcoco_val_acc': pytest.approx(2 / 3)}


def test_an_expression_without_a_prediction_is_a_miss():
    silent = grounded_sample(['a', 'b'], [(0, LEFT), (1, RIGHT)], [(1, .5, RIGHT)], source='val')
    nothing = grounded_sample(['a'], [(0, LEFT)], [], source='val')
    assert evaluate(RefExpMetric(), [silent, nothing])['refexp/val_acc'] == pytest.approx(1 / 3)


@pytest.mark.parametrize(('iou_thr', 'accuracy'), [(0.5, 1.0), (0.51, 0.0)])
def test_an_overlap_of_exactly_the_threshold_is_enough(iou_thr, accuracy):
    sample = grounded_sample(['a'], [(0, LEFT)], [(0, .5, HALF)])
    assert evaluate(RefExpMetric(iou_thr), [sample]) == {'refexp/all_acc': accuracy}


def test_splits_are_apart_and_weigh_expressions_not_images():
    one = grounded_sample(['a'], [(0, LEFT)], [(0, .5, LEFT)], source='testA')
    three = grounded_sample(
        ['a', 'b', 'c'], [(0, LEFT), (1, LEFT), (2, LEFT)],
        [(0, .5, RIGHT), (1, .5, RIGHT), (2, .5, RIGHT)], source='testA')
    other = grounded_sample(['a'], [(0, LEFT)], [(0, .5, LEFT)], source='testB')
    assert evaluate(RefExpMetric(), [one, three, other]) == {
        'refexp/testA_acc': 0.25, 'refexp/testB_acc': 1.0}


@pytest.mark.filterwarnings('ignore:duplicate prompts')
def test_equal_words_are_scored_once_and_counted_twice():
    # Two annotators wrote the same; for the second object these words point at the wrong cup.
    sample = grounded_sample(
        ['cup', ' cup'], [(0, LEFT), (1, RIGHT)], [(0, .9, LEFT), (0, .8, RIGHT)])
    assert evaluate(RefExpMetric(), [sample]) == {'refexp/all_acc': 0.5}


@pytest.mark.parametrize('truth', [[], [(0, LEFT), (0, RIGHT)]])
def test_an_expression_needs_one_box(truth):
    sample = grounded_sample(['the cup'], truth, [(0, .5, LEFT)])
    with pytest.raises(ValueError, match=f"expression 'the cup' of image 'a.jpg' has {len(truth)} "
                                         'boxes; it must have one'):
        RefExpMetric().process({}, [sample])


@pytest.mark.parametrize('key', ['text', 'instances'])
def test_a_pipeline_that_does_not_pack_what_is_needed(key):
    sample = grounded_sample(['a'], [(0, LEFT)], [])
    del sample[key]
    with pytest.raises(ValueError, match=f"must pack the meta key '{key}'"):
        RefExpMetric().process({}, [sample])


def test_it_is_registered():
    assert isinstance(METRICS.build(dict(type='expalign.RefExpMetric')), RefExpMetric)
