"""Which cells of a photograph with a few marked things have a say."""

import torch

from expalign.models.prompt_fitting import contrast
from expalign.models.prompt_fitting.contrast import QUIET, example_cells
from expalign.models.prompt_fitting.example_features import ExampleFeatures
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide

BOXES = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60], [0, 0, 10, 9], [80, 0, 90, 10],
                      [20, 20, 30, 30], [22, 20, 32, 30]])
CELLS = ImageCells(torch.arange(12.0).reshape(6, 2), BOXES, (4, 2))


def test_examples_count_against_each_other_and_quiet_cells_against_all(monkeypatch):
    logits = torch.full((6, 2), QUIET - 3)
    logits[1] = torch.tensor([QUIET + 1, QUIET - 1])  # may show more of the first name
    monkeypatch.setattr(contrast, 'OTHERS', 1)
    labelled = example_cells(CELLS, BOXES[[0, 4]], [0, 1], logits)
    # Cells of the examples, the loudest quiet one, and the first of each level.
    assert labelled.cells.hidden[:, 0].tolist() == [0, 2, 4, 8, 10]
    assert labelled.cells.sizes == (3, 2)
    torch.testing.assert_close(labelled.targets, torch.tensor(
        [[1, 0], [0, 0], [0.9, 0], [0, 1], [0, 2 / 3]]))
    assert labelled.counted.tolist() == [[True, True], [False, True], [True, True], [True, True],
                                         [True, True]]


def test_a_photograph_that_looks_like_the_name_all_over_says_nothing_more():
    labelled = example_cells(CELLS, BOXES[[0]], [0], torch.zeros(6, 1))
    assert labelled.targets[labelled.counted].tolist() == [1, torch.tensor(0.9).item()]


def test_features_are_of_the_cells_that_fit_and_examples_without_one_are_told():
    side = ImageSide((torch.eye(2), 2 * torch.eye(2)), (torch.zeros(2), torch.ones(2)),
                     (1.0, 3.0), (-9.0, -11.0))
    found = ExampleFeatures(['a', 'b'], side)
    found.add(CELLS, BOXES[[0, 4]], [0, 1])
    found.add(CELLS, torch.tensor([[95.0, 95, 99, 99]]), [1])
    assert found.boxes == [1, 2] and found.without_cell == [0, 1]
    rows = {label: [feature.tolist() for feature, _ in found._rows[label]] for label in (0, 1)}
    assert rows[0] == [[0, 1], [4, 5]] and rows[1] == [[17, 19], [21, 23]]
    tokens = found.tokens(torch.tensor([1.0, 1.0]).double(), torch.eye(2).double())
    for label, (scale, bias) in enumerate(((1.0, -9.0), (3.0, -11.0))):
        mean = torch.tensor(rows[label]).mean(0)
        torch.testing.assert_close(scale * mean @ tokens[label] + bias, torch.tensor(0.0),
                                   atol=1e-4, rtol=0)
