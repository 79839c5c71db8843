"""Words that examples correct, and which names are fitted."""

import torch

from expalign.models.prompt_fitting.discriminant import calibrated
from expalign.models.prompt_fitting.example_features import ExampleFeatures
from expalign.models.prompt_fitting.example_tokens import (
    FITTED_FROM,
    corrected_words,
    fitted_examples,
)
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide
from expalign.models.prompt_fitting.nearest_names import nearest_names

SIDE = ImageSide((torch.eye(4), torch.eye(4)), (torch.zeros(4), torch.zeros(4)), (4.0, 4.0),
                 (-9.0, -9.0))


def photographs(count):
    """In each a thing of two kinds, told by their first two numbers, among others."""
    generator = torch.Generator().manual_seed(0)
    boxes = torch.arange(12.0)[:, None] * 20 + torch.tensor([0.0, 0, 10, 10])
    found = []
    for _ in range(count):
        hidden = torch.randn(12, 4, generator=generator) * 0.3
        hidden[0, 0] += 2
        hidden[9, 1] += 2
        found.append(ImageCells(hidden, boxes, (8, 4)))
    return found


def examples(first, second):
    """So many photographs in which the first kind is marked, and the second."""
    found, seen = ExampleFeatures(['one', 'two'], SIDE), []
    for number, cells in enumerate(photographs(max(first, second))):
        labels = [label for label, count in enumerate((first, second)) if number < count]
        seen.append((cells, cells.boxes[[(0, 9)[label] for label in labels]], labels))
        found.add(*seen[-1])
    return found, seen


def test_corrected_words_are_half_words():
    feats = torch.tensor([[[2.0, 0], [0, 4]], [[6, 2], [0, 0]]])
    masks = torch.tensor([[True, True], [True, False]])
    tokens = corrected_words((feats, masks), torch.tensor([[4.0, 2], [0, -2]]))
    assert tokens.tolist() == [[[3, 1], [2, 3]], [[3, 0], [0, 0]]]


def test_names_of_few_examples_stay_and_the_others_are_told_from_what_is_seen():
    # The first one takes the second kind for its own, too.
    metric, own = torch.eye(4) * 0.09, torch.tensor([[[1.0, 1, 0, 0]], [[0, 1, 0, 0]]])
    masks = torch.ones(2, 1, dtype=torch.bool)
    found, seen = examples(FITTED_FROM - 1, 1)
    assert found.counts() == [FITTED_FROM - 1, 1]
    assert fitted_examples(own, masks, found, seen, metric, SIDE) is own
    found, seen = examples(FITTED_FROM, FITTED_FROM - 1)
    tokens = fitted_examples(own, masks, found, seen, metric, SIDE)
    assert torch.equal(tokens[1], own[1]) and not torch.allclose(tokens[0], own[0], atol=1e-3)
    # What is marked scores higher by it, what is marked as something else lower.
    cells = seen[0][0].hidden
    before, after = (4 * cells @ token for token in (own[0, 0], tokens[0, 0]))
    assert after[0] > before[0] and after[9] < before[9]


def test_an_example_without_a_cell_is_none():
    found, seen = examples(FITTED_FROM, 1)
    found.add(seen[0][0], torch.tensor([[500.0, 500, 520, 520]]), [1])
    assert found.boxes == [FITTED_FROM, 2] and found.counts() == [FITTED_FROM, 1]


def test_known_names_have_half_of_a_token():
    found, _ = examples(2, 1)
    names = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    background = torch.ones(4).double() * 0.1, torch.eye(4).double()
    alone, mixed = found.tokens(*background), found.tokens(*background, names)
    for label, rows in enumerate(found._rows):
        features, levels = zip(*rows, strict=True)
        features = torch.stack(features)
        named = nearest_names(features, levels, names, SIDE)
        torch.testing.assert_close(mixed[label], calibrated(
            (alone[label] + named) / 2, features, *background, 4.0, -9.0))
        torch.testing.assert_close(4 * features.mean(0) @ mixed[label] - 9, torch.tensor(0.0),
                                   atol=1e-4, rtol=0)
