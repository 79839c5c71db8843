"""Targets of cells, tokens fitted to them, and cells kept on a disk."""

import math

import numpy as np
import pytest
import torch

from expalign.limits import LimitExceeded
from expalign.models.prompt_fitting.cell_store import CellStore
from expalign.models.prompt_fitting.cell_targets import cell_targets
from expalign.models.prompt_fitting.fit import (
    LabelledCells,
    fit_tokens,
    losses_by_prompt,
)
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide

SIDE = ImageSide((torch.eye(4), torch.eye(4)), (torch.zeros(4), torch.zeros(4)), (4.0, 4.0),
                 (-9.0, -9.0))


def test_targets_by_hand():
    """IoUs with the box: 1, 0.8, 0.6, 0.6, 0.4, 0; two positives."""
    cells = torch.tensor([[0.0, 0, 10, 8], [0, 0, 10, 10], [0, 0, 10, 6], [4, 0, 10, 10],
                          [0, 0, 10, 4], [20, 20, 30, 30]])
    targets, counted = cell_targets(
        cells, torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]]), torch.tensor([1, 0]), 3, 2)
    torch.testing.assert_close(targets[:, 1], torch.tensor([0.8, 1, 0, 0, 0, 0]))
    # Their own boxes would be left over by suppression; what overlaps less is to be 0.
    assert counted[:, 1].tolist() == [True, True, False, False, True, True]
    assert targets[:, 0].tolist() == [0, 0, 0, 0, 0, 1] and counted[:, [0, 2]].all()


def test_a_target_is_a_share_of_the_best_cell_and_two_boxes_share_none():
    cells = torch.tensor([[0.0, 0, 10, 8], [0, 0, 10, 6], [0, 5, 10, 20]])
    targets, counted = cell_targets(cells, torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([0]), 1)
    torch.testing.assert_close(targets[:, 0], torch.tensor([1.0, 0.75, 0]))
    # What one box leaves unsaid is the other's.
    boxes = torch.tensor([[0.0, 0, 10, 8], [0, 0, 10, 6]])
    targets, counted = cell_targets(cells, boxes, torch.tensor([0, 0]), 1, positives=1)
    assert targets[:, 0].tolist() == [1, 1, 0] and counted.all()
    targets, counted = cell_targets(cells, torch.zeros(0, 4), torch.zeros(0, dtype=int), 2)
    assert not targets.any() and counted.all()


def photographs(count=6, seed=0):
    """Two kinds of cells among others, told by their first two numbers."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        hidden = torch.randn(12, 4, generator=generator) * 0.3
        hidden[0, 0] += 2
        hidden[9, 1] += 2
        targets = torch.zeros(12, 2)
        targets[0, 0] = targets[9, 1] = 1
        found.append(LabelledCells(ImageCells(hidden, torch.zeros(12, 4), (8, 4)), targets,
                                   torch.ones(12, 2, dtype=torch.bool)))
    return found


MASKS = torch.tensor([[True, False], [True, True]])
START = torch.randn(2, 2, 4, generator=torch.Generator().manual_seed(1)) * 0.1 * MASKS[..., None]
METRIC = torch.eye(4) * 0.09


def test_fitted_tokens_find_what_the_targets_name():
    train, other = photographs(), photographs(seed=5)
    tokens = fit_tokens(START, MASKS, train, SIDE, METRIC, steps=150, rate=0.05, pull=0.1)
    assert not tokens[0, 1].any()
    before, after = (losses_by_prompt(other, SIDE, x, MASKS) for x in (START, tokens))
    assert (after < before / 3).all()
    for photograph in other:
        logits = SIDE.logits(photograph.cells, SIDE.fold(tokens), MASKS)
        assert logits.argmax(0).tolist() == [0, 9]
    # The same twice, and another order with another seed.
    again = fit_tokens(START, MASKS, train, SIDE, METRIC, steps=150, rate=0.05, pull=0.1)
    assert torch.equal(again, tokens)


def test_a_strong_pull_stays_at_the_start_and_less_of_it_with_more_photographs():
    few, many = photographs(2), photographs(40)
    change = {}
    for name, train, pull in (('none', few, 0.0), ('few', few, 10.0), ('many', many, 10.0),
                              ('huge', few, 1e6)):
        tokens = fit_tokens(START, MASKS, train, SIDE, METRIC, steps=200, rate=0.02, pull=pull)
        change[name] = float((tokens - START).norm())
    assert change['huge'] < 0.05 * change['none']
    assert change['huge'] < change['few'] < change['many']


def test_what_does_not_count_has_no_say():
    train = photographs()
    blind = [photograph._replace(counted=torch.zeros_like(photograph.counted),)
             for photograph in train]
    assert torch.equal(fit_tokens(START, MASKS, blind, SIDE, METRIC, steps=5), START)
    assert losses_by_prompt(blind, SIDE, START, MASKS).tolist() == [0, 0]
    with pytest.raises(ValueError, match='no photograph'):
        fit_tokens(START, MASKS, [], SIDE, METRIC)


def test_losses_are_the_binary_cross_entropy():
    """One cell, one prompt: logit 4 * 0.5 - 9 = -7, target 0.25."""
    cells = ImageCells(torch.tensor([[0.5, 0, 0, 0.0]]), torch.zeros(1, 4), (1, 0))
    one = LabelledCells(cells, torch.tensor([[0.25]]), torch.ones(1, 1, dtype=torch.bool))
    side = SIDE._replace(weights=SIDE.weights[:1], offsets=SIDE.offsets[:1])
    cells = cells._replace(sizes=(1,))
    loss = losses_by_prompt([one._replace(cells=cells)], side, torch.eye(4)[:1, None], torch.ones(
        1, 1, dtype=torch.bool))
    p = 1 / (1 + math.exp(7))
    assert float(loss) == pytest.approx(-0.25 * math.log(p) - 0.75 * math.log(1 - p), rel=1e-5)


def test_a_store_gives_back_what_was_put_in(tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    store, seen = CellStore(tmp_path, 3, 2), []
    for _ in range(3):
        corners = torch.rand(12, 2, generator=generator) * 50
        cells = ImageCells(torch.randn(12, 4, generator=generator),
                           torch.cat([corners, corners + 20], 1), (8, 4))
        boxes, labels = cells.boxes[[2, 7]] + 1, torch.tensor([1, 0])
        store.add(cells, boxes, labels)
        seen.append((cells, *cell_targets(cells.boxes, boxes, labels, 2)))
    assert len(store) == 3
    for photograph, (cells, targets, counted) in zip(store, seen, strict=True):
        np.testing.assert_allclose(photograph.cells.hidden, cells.hidden, rtol=1e-3, atol=1e-4)
        assert photograph.cells.sizes == cells.sizes and targets.any()
        assert torch.equal(photograph.targets, targets)
        assert torch.equal(photograph.counted, counted)
    second = store.of([1])
    assert torch.equal(second[0].targets, seen[0][1][:, [1]]) and len(second) == 3
    monkeypatch.setenv('EXPALIGN_MAX_CELL_BYTES', '100')
    with pytest.raises(LimitExceeded, match='3 photographs: 288 bytes of cells on the disk'):
        CellStore(tmp_path, 3, 2).add(cells, boxes, labels)
