"""The classes that a model knows: what a record may be, and how prompts are found in it."""

import json

import numpy as np
import pytest

from expalign.structures.exclusive_boxes import box_iou, exclusive_boxes
from expalign.structures.known_classes import KnownClasses


def test_goes_through_json_unchanged():
    known = KnownClasses(('red cup', 'fork'), (0.25, None), exclusive=True)
    assert KnownClasses.from_plain(json.loads(json.dumps(known.to_plain()))) == known
    assert KnownClasses.from_plain(dict(names=['a'])) == KnownClasses(('a',), (None,))


def test_prompts_are_found_whatever_their_case_and_white_space():
    known = KnownClasses(('red cup', 'fork'), (0.25, None))
    assert known.rows_of(['Fork', 'knife', ' red  CUP']) == [1, -1, 0]
    assert known.threshold_of('RED cup') == 0.25
    assert known.threshold_of('fork') is None and known.threshold_of('knife') is None


@pytest.mark.parametrize(('record', 'said'), [
    (dict(names=['a', 'A ']), "'a' is there twice"),
    (dict(names=[]), 'no prompt'),
    (dict(names=['a', '  ']), 'white space'),
    (dict(names='a'), "'names' must be a list"),
    (dict(names=['a', 3]), 'not a string'),
    (dict(names=['a'], thresholds=[0.1, 0.2]), '1 classes need as many thresholds'),
    (dict(names=['a'], thresholds=[1.5]), 'from 0 to 1'),
    (dict(names=['a'], thresholds=[float('nan')]), 'from 0 to 1'),
    (dict(names=['a'], thresholds=['0.1']), 'from 0 to 1'),
    (dict(names=['a'], exclusive=1), "'exclusive' is true or false"),
    (dict(names=['a'], colour='red'), "must have 'names'"),
    ([], "must have 'names'"), (None, "must have 'names'"),
])
def test_what_is_no_record_is_refused_with_its_place(record, said):
    with pytest.raises(ValueError, match=f'^here.*{said}'):
        KnownClasses.from_plain(record, 'here')


def test_iou_of_boxes_by_hand():
    first = np.array([[0, 0, 10, 10], [5, 5, 5, 5]])
    second = np.array([[5, 0, 15, 10], [20, 20, 30, 30], [5, 5, 5, 5]])
    np.testing.assert_allclose(box_iou(first, second), [[1 / 3, 0, 0], [0, 0, 0]])


def test_a_thing_keeps_its_best_box():
    # The third overlaps the second alone, which is not there any more when its turn comes.
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 6.2], [50, 0, 60, 10]], float)
    assert exclusive_boxes(boxes, 0.7).tolist() == [0, 2, 3]
    assert exclusive_boxes(boxes, 0.9).tolist() == [0, 1, 2, 3]
    assert exclusive_boxes(np.zeros((0, 4)), 0.7).tolist() == []
