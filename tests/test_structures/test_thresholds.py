"""Which score counts as found."""

import math

import pytest

from expalign.structures.known_classes import KnownClasses
from expalign.structures.thresholds import (
    SCORE_THR,
    check_threshold,
    default_threshold,
    thresholds_of,
)


def test_few_prompts_need_lower_scores_than_many():
    assert default_threshold(1) == 0.07 and default_threshold(80) == default_threshold(1203) == 0.2
    # Half of the way in logits: of 0.07 and 0.2 their odds' geometric mean.
    odds = math.sqrt(7 / 93 / 4)
    assert default_threshold(9) == pytest.approx(odds / (1 + odds), abs=0.001)  # ln 9 = ln 81 / 2
    values = [default_threshold(count) for count in range(1, 100)]
    assert values == sorted(values)


def test_one_for_all_or_one_for_each():
    assert thresholds_of(['a', 'b'], 0.3) == [0.3, 0.3]
    assert thresholds_of(['a', 'b'], 0) == [0.0, 0.0]
    assert thresholds_of(['a', 'b'], [0.1, 0.2]) == [0.1, 0.2]
    with pytest.raises(ValueError, match='3 lowest scores for 2 prompts'):
        thresholds_of(['a', 'b'], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match='the lowest score 2 is no number'):
        thresholds_of(['a', 'b'], [0.1, 2])


def test_auto_is_the_models_own_where_it_has_one():
    assert SCORE_THR == 'auto' and thresholds_of(['a']) == [0.07]
    known = KnownClasses(('fig', 'Date'), (0.7, None))
    assert thresholds_of(['date', 'FIG', 'nut'], 'auto', known) == [
        default_threshold(3), 0.7, default_threshold(3)]
    assert thresholds_of(['fig'], 0.1, known) == [0.1]


@pytest.mark.parametrize('value', [-0.1, 1.5, 'x', True, 'AUTO', float('nan')])
def test_what_is_no_threshold(value):
    with pytest.raises(ValueError, match="is no number from 0 to 1, nor 'auto'"):
        check_threshold(value)
    assert check_threshold('auto') == 'auto' and check_threshold(1) == 1.0
