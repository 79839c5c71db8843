"""Views of a photograph: pixels and boxes move alike."""

import pytest
import torch
from mmdet.models import DetDataPreprocessor

from expalign.models.prompt_fitting.views import PLAIN, VIEWS, View, border

SIZE = 8, 10
GREY = torch.tensor([0.1, 0.2, 0.3])
BOXES = torch.tensor([[2.0, 1, 6, 4]])


def picture():
    """(1, 3, 8, 10), one inside of the box and zero elsewhere."""
    inputs = torch.zeros(1, 3, 8, 10)
    inputs[:, :, 1:4, 2:6] = 1
    return inputs


def test_the_first_view_is_the_photograph():
    inputs = picture()
    assert PLAIN.image(inputs, GREY) is inputs and PLAIN.boxes(BOXES, SIZE) is BOXES
    assert len(set(VIEWS.values())) == len(VIEWS)


def test_a_mirrored_one_by_hand():
    view = View(mirrored=True)
    inputs, boxes = view.image(picture(), GREY), view.boxes(BOXES, SIZE)
    assert boxes.tolist() == [[4, 1, 8, 4]]
    assert inputs[0, 0, 1:4, 4:8].eq(1).all() and inputs.sum() == 3 * 12
    assert torch.equal(view.image(inputs, GREY), picture())
    assert torch.equal(view.boxes(boxes, SIZE), BOXES)


@pytest.mark.parametrize('mirrored', [False, True])
def test_a_small_one_has_a_border_and_its_box_on_the_thing(mirrored):
    """8 x 10 halved is 4 x 5, from row 2 and column 2 on."""
    view = View(mirrored, 0.5)
    inputs, boxes = view.image(picture(), GREY), view.boxes(BOXES, SIZE)
    assert boxes.tolist() == [[4, 2.5, 6, 4] if mirrored else [3, 2.5, 5, 4]]
    inside = torch.zeros(8, 10, dtype=torch.bool)
    inside[2:6, 2:7] = True
    torch.testing.assert_close(inputs[0][:, ~inside], GREY[:, None].expand(3, 80 - 20))
    # A quarter of the thing's 12 pixels is left, in each channel.
    assert inputs[0][:, inside].sum(1).tolist() == pytest.approx([3.0] * 3, rel=0.15)


def test_the_border_is_normalised_as_the_photograph():
    plain = DetDataPreprocessor()
    assert border(plain).tolist() == [114] * 3
    scaled = DetDataPreprocessor(mean=[0, 14, 114], std=[255, 50, 2])
    torch.testing.assert_close(border(scaled), torch.tensor([114 / 255, 2, 0]))
