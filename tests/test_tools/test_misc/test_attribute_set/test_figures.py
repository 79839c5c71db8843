"""Figures of detections made by hand."""

import math

import numpy as np
import pytest
from attribute_set.figures import (
    average_precision,
    binding,
    false_alarms,
    figures,
    question,
    questions,
    recall_of,
    threshold_of_recall,
)
from attribute_set.records import Record
from attribute_set.rows import FIRST, SECOND_BASE, decided, markdown, parts, spread, verdict

BOX = np.array([[0., 0, 10, 10]])
FAR = np.array([[50., 50, 60, 60]])


def found(*rows):
    boxes = np.array([box[0] for box, _ in rows]).reshape(-1, 4)
    return boxes, np.array([score for _, score in rows], float)


def asked(true, *rows, split='seen', rival=None, words=2):
    return question(split, words, np.asarray(true).reshape(-1, 4), found(*rows), rival)


def test_questions_are_ranked_in_one_list():
    rows = [asked(BOX, (BOX, 0.9)), asked(np.zeros((0, 4)), (FAR, 0.8)), asked(BOX, (BOX, 0.7))]
    ap, ap50 = average_precision(rows)
    # precision 1 up to recall 1/2 (51 of 101 places), 2/3 after it
    assert ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert ap == pytest.approx(ap50)
    near = np.array([[0., 0, 10, 7]])  # overlap 0.7: right at 0.5 to 0.7
    assert average_precision([asked(BOX, (near, 0.5))]) == pytest.approx((0.5, 1.0))


def test_threshold_and_false_alarms():
    rows = [asked(BOX, (BOX, score)) for score in (0.9, 0.8, 0.7, 0.6, 0.5)]
    assert threshold_of_recall(rows) == 0.6  # four of five
    assert threshold_of_recall(rows, 1.0) == 0.5 and recall_of(rows) == 1
    absent = [asked(np.zeros((0, 4)), (FAR, 0.65), (BOX, 0.6), (BOX, 0.3)),
              asked(np.zeros((0, 4)))]
    assert false_alarms(absent + rows, 0.6) == 1.0
    assert math.isnan(false_alarms(rows, 0.6))
    missed = [*rows, asked(BOX), asked(BOX)]
    assert threshold_of_recall(missed) == 0.0 and recall_of(missed) == pytest.approx(5 / 7)


def test_binding():
    rival = found((BOX, 0.4), (FAR, 0.9))
    assert binding([asked(BOX, (BOX, 0.5), rival=rival)]) == 1
    assert binding([asked(BOX, (BOX, 0.3), rival=rival)]) == 0
    assert binding([asked(BOX, (BOX, 0.4), rival=rival)]) == 0.5
    assert binding([asked(BOX, (FAR, 0.9), rival=found())]) == 0.5  # neither is there
    assert math.isnan(binding([asked(BOX, (BOX, 0.9))]))


def test_a_record_becomes_its_questions():
    record = Record(0, ['red box', 'blue box'], ['seen', 'seen'], [1, -1], BOX, np.array([0]),
                    [[]], 320)
    boxes = np.concatenate([BOX, FAR, BOX])
    rows = questions([record], [(boxes, np.array([0.9, 0.8, 0.2]), np.array([0, 1, 1]))])
    first, second = rows
    assert first.words == 2 and first.scores.tolist() == [0.9] and len(second.true) == 0
    assert first.rival[1].tolist() == [0.8, 0.2] and second.rival is None
    made = figures(rows, pictures=2)
    assert made['splits']['seen']['ap50'] == 1 and made['splits']['seen']['binding'] == 1
    assert made['threshold'] == 0.9 and made['false_alarms'] == 0
    assert made['words']['2']['boxes'] == 1


def run(seed, ap, row='expectation'):
    part = dict(ap50=ap, binding=0.5, boxes=10, alarms=0.1)
    from attribute_set.prompts import SPLITS
    return dict(row=row, seed=seed, figures=dict(
        splits=dict.fromkeys(SPLITS, part), words={'2': part}, false_alarms=0.2, threshold=0.5))


def test_the_table_says_what_is_beyond_twice_the_spread():
    rows = [run(seed, ap) for seed, ap in enumerate((0.50, 0.52, 0.54))]
    rows += [run(seed, ap, 'eot') for seed, ap in enumerate((0.40, 0.42, 0.44))]
    rows += [run(seed, ap, 'mean') for seed, ap in enumerate((0.49, 0.51, 0.53))]
    rows += [run(seed, ap + 0.2, SECOND_BASE) for seed, ap in enumerate((0.50, 0.52, 0.54))]
    rows += [run(seed, ap, 'second stage, 0.5, 0') for seed, ap in enumerate((0.71, 0.73, 0.75))]
    text = markdown(rows).splitlines()
    assert text[2].startswith('| expectation | 0.520 ± 0.020 |')
    first, second = (text.index(next(line for line in text if line.startswith(f'| minus {base}')))
                     for base in (FIRST, SECOND_BASE))
    assert text[first + 2].startswith('| eot | **-0.100** |')
    assert text[first + 3].startswith('| mean | -0.010 |')
    assert text[first + 4].startswith(f'| {SECOND_BASE} | **+0.200** |')
    assert text[second + 2].startswith('| second stage, 0.5, 0 | +0.010 |')
    assert text[-1] == text[second + 2]
    assert parts(rows, 'words', 'ap50').splitlines()[::2] == [
        '| ap50 by words | 2 |', '| expectation | 0.520 ± 0.020 |', '| mean | 0.510 ± 0.020 |',
        '| second stage, 0.5, 0 | 0.730 ± 0.020 |']
    assert parts(rows, 'splits', 'binding').splitlines()[0].count('|') == 9
    assert spread([0.25]) == '0.250'
    assert verdict({0: rows[0]}, {0: rows[3]}, 'seen') == '+0.100'
    assert decided(-0.05, 0.02) and not decided(0.04, 0.02)
