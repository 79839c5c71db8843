"""Examples told by known names, against numbers computed by hand."""

import math

import torch

from expalign.models.prompt_fitting.image_cells import ImageSide
from expalign.models.prompt_fitting.nearest_names import nearest_names

SIDE = ImageSide((torch.eye(2),) * 2, (torch.zeros(2),) * 2, (2.0, 4.0), (-9.0, -11.0))
NAMES = torch.tensor([[1.0, 0], [0, 1], [-1, 0]])


def test_by_hand():
    """Logits of (1, 0) on level 0: -7, -9, -11; of (0, 1/2) on level 1: -11, -9, -11.

    Their means are -9, -9, -11: weights 1, 1, exp(-2) over their sum.
    """
    token = nearest_names(torch.tensor([[1.0, 0], [0, 0.5]]), [0, 1], NAMES, SIDE)
    rest = math.exp(-2)
    torch.testing.assert_close(token, torch.tensor([1 - rest, 1]) / (2 + rest))


def test_what_is_one_of_the_names_is_that_name():
    token = nearest_names(torch.tensor([[0.0, 20]]), [1], NAMES, SIDE)
    torch.testing.assert_close(token, NAMES[1])


def test_order_of_names_and_copies_of_cells_do_not_count():
    features = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    token = nearest_names(features, [0, 1, 1], NAMES, SIDE)
    again = nearest_names(features.repeat(2, 1), [0, 1, 1] * 2, NAMES.flip(0), SIDE)
    torch.testing.assert_close(again, token)
