"""Boxes, masks and labels: colours, who is on top, labels apart and inside of the picture."""

import numpy as np
import pytest
from PIL import ImageColor

from expalign.structures.rle_masks import RLEMasks, encode_crop
from expalign.utils.labelled_boxes import (
    COLOURS,
    LINE,
    OPACITY,
    _apart,
    _place,
    _shared_areas,
    draw_labelled_boxes,
)

GREY = np.full((120, 200, 3), 90, np.uint8)


def test_boxes_have_the_colour_of_their_group():
    drawn = draw_labelled_boxes(
        GREY, np.array([[20, 40, 80, 100], [110, 40, 190, 100]]), ['a', 'b'], [1, 8])
    for x in (20, 110):  # left sides, below the labels; groups 1 and 8 are the same of 7 colours
        assert tuple(drawn[70, x]) == ImageColor.getrgb(COLOURS[1])
    assert drawn.shape == GREY.shape and drawn.dtype == np.uint8
    assert (drawn[110:] == 90).all() and (GREY == 90).all()


def test_no_boxes_change_nothing():
    np.testing.assert_array_equal(draw_labelled_boxes(GREY, np.zeros((0, 4)), [], []), GREY)


@pytest.mark.parametrize('box', [
    (-30, -20, 400, 300), (199, 119, 200, 120), (50, 50, 50, 50)])
def test_boxes_out_of_bounds_or_without_width_are_drawn(box):
    drawn = draw_labelled_boxes(GREY, np.array([box]), ['name 0.50'], [0])
    assert (drawn != GREY).any()


def test_labels_of_near_boxes_do_not_overlap():
    placed, size = [], (60, 20)
    for shift in range(6):
        box = np.array([40 + 5 * shift, 40 + 5 * shift, 240, 210])
        place = _place(box, size, (300, 240), placed)
        assert min(place) >= 0 and place[2] <= 300 and place[3] <= 240
        assert _shared_areas(np.array([place]), np.array(placed).reshape(-1, 4)) == [0]
        placed.append(place)
    assert placed[0] == (40, 20, 100, 40)  # above the best box


def test_areas_that_rectangles_share():
    ones = np.array([[0, 0, 4, 4], [10, 10, 12, 12]])
    others = np.array([[2, 2, 6, 6], [3, 0, 9, 9], [11, 0, 20, 11]])
    assert _shared_areas(ones, others).tolist() == [4 + 4, 1]
    assert _shared_areas(ones, np.zeros((0, 4))).tolist() == [0, 0]


def test_a_label_beside_a_small_box_does_not_hide_it():
    box = np.array([90, 50, 100, 60])
    above = _place(box, (50, 20), (200, 120), [])
    assert above == (90, 30, 140, 50)
    beside = _place(box, (50, 20), (200, 120), [(0, 20, 200, 50)])
    assert beside == (100 + LINE, 50, 150 + LINE, 70)


def test_boxes_of_one_place_are_drawn_inside_of_each_other():
    box = [10.0, 10.0, 100.0, 100.0]
    apart = _apart(np.array([box, box, box]))
    np.testing.assert_array_equal(apart[1], [15, 15, 95, 95])
    np.testing.assert_array_equal(apart[2], [20, 20, 90, 90])
    tiny = [10.0, 10.0, 12.0, 12.0]
    assert _apart(np.array([tiny, tiny])).shape == (2, 4)  # ends, however small they are


def tint(group):
    return np.rint((1 - OPACITY) * 90 + OPACITY * np.array(ImageColor.getrgb(COLOURS[group])))


@pytest.mark.parametrize('encode', [False, True])
def test_small_masks_lie_on_large_ones_and_have_white_rims(encode):
    masks = np.zeros((3, *GREY.shape[:2]), bool)
    masks[0, 40:110, 20:180] = True
    masks[1, 60:90, 60:100] = True
    if encode:
        masks = RLEMasks((encode_crop(mask, 0, 0, mask.shape) for mask in masks), GREY.shape[:2])
    boxes = np.array([[20, 40, 180, 110], [60, 60, 100, 90], [5, 5, 5, 5]])
    drawn = draw_labelled_boxes(GREY, boxes, ['', '', ''], [0, 1, 2], masks=masks)
    np.testing.assert_array_equal(drawn[100, 150], tint(0))
    np.testing.assert_array_equal(drawn[75, 80], tint(1))  # not mixed with what lies below
    assert (drawn[118] == 90).all()
    only_masks = draw_labelled_boxes(GREY, boxes[:0], [], [], masks=[])
    np.testing.assert_array_equal(only_masks, GREY)


def test_lines_grow_with_the_text():
    box = np.array([[40, 40, 160, 110]])
    widths = [(draw_labelled_boxes(GREY, box, [''], [0], size)[80, :100] != 90).any(-1).sum()
              for size in (15, 45)]
    assert widths == [LINE + 2, 3 * LINE + 2]
