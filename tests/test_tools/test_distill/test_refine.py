"""Functional distillation, and logits from folded maps."""

import json

import numpy as np
import pytest
import torch
from distill.cached_maps import CachedMaps, FoldedHead, sample_cells
from distill.cell_bank import CellBank
from distill.name_tokens import encode_names, read_name_vectors, token_rows
from distill.refine import (
    NameBank,
    RefineOptions,
    adapt,
    distillation_loss,
    refine_adapter,
    score_divergence,
)
from torch import nn
from torch.nn import functional as F

from expalign.models.layers import expectation_alignment
from expalign.models.text_encoders import TextAdapter


def test_refining_lowers_the_loss_and_moves_vectors_towards_the_names():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(30, 2, 8, generator=generator)
    bank = NameBank((tokens,), (torch.ones(30, 2, dtype=torch.bool),))
    vectors = F.normalize(torch.randn(30, 16, generator=generator), dim=1)
    cells, means = (torch.randn(50, 16, generator=generator) for _ in range(2))
    losses = []
    cells = CellBank(cells, torch.zeros(50, 1), means)
    torch.manual_seed(0)
    refine_adapter(
        TextAdapter(8, 16), bank, vectors, cells,
        RefineOptions(steps=80, lr=2e-2, batch_names=30, cells=50),
        report=lambda step, loss: losses.append(loss))
    assert len(losses) == 80
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_names_as_they_are_are_drawn_as_often_as_asked():
    seen = []

    class Adapter(TextAdapter):
        def forward(self, tokens, token_masks):
            seen.append(int(tokens[0, 0, 0]))
            return super().forward(tokens, token_masks)

    tokens = tuple(torch.full((4, 1, 8), float(template)) for template in range(3))
    bank = NameBank(tokens, (torch.ones(4, 1, dtype=torch.bool),) * 3)
    vectors = F.normalize(torch.randn(4, 16), dim=1)
    cells = CellBank(torch.randn(9, 16), torch.zeros(9, 1), torch.randn(1, 16))
    refine_adapter(Adapter(8, 16), bank, vectors, cells,
                   RefineOptions(steps=200, batch_names=4, cells=5, bare=8))
    assert 0.74 < seen.count(0) / 200 < 0.86 and {1, 2} < set(seen)  # 8 of 10


def test_the_divergence_of_scores_is_that_of_two_coins():
    logits = torch.tensor([0.0, 2.0, -30.0])
    torch.testing.assert_close(score_divergence(logits, logits), torch.zeros(3))
    # 0.75 ln(0.75 / 0.5) + 0.25 ln(0.25 / 0.5)
    found = score_divergence(torch.zeros(1), torch.tensor([3.0]).log())
    torch.testing.assert_close(found, torch.tensor([0.130812]))
    low, high = score_divergence(torch.zeros(2), torch.tensor([3.0, 1 / 3]).log(), over=2)
    torch.testing.assert_close(torch.stack((low, high)), torch.tensor([0.130812, 0.261624]))


def test_the_level_of_scores_counts_in_their_divergence_alone():
    targets = torch.tensor([[0.6, 0.8, 0.0]])
    raised = targets + torch.tensor([[0.0, 0.0, 1.0]])
    # Along the last axis all cells are 1, so a vector with more of it has higher logits everywhere.
    features = torch.cat((torch.randn(20, 2), torch.ones(20, 1)), dim=1)
    cells = CellBank(features, torch.full((20, 1), -1.0), torch.zeros(1, 3))
    mask, vectors = torch.ones(1, 1, dtype=torch.bool), torch.eye(3)

    def loss(prompt, **weights):
        options = RefineOptions(guide_weight=0, **weights)
        return float(distillation_loss(prompt[:, None], mask, targets, cells, vectors, options))

    distance = loss(raised, cell_weight=0)
    assert loss(raised, cell_weight=1) == pytest.approx(distance, abs=1e-5)
    logits = features @ targets.T - 1
    expected = score_divergence(logits + 1, logits).sum()
    assert loss(raised, cell_weight=0, score_weight=0.1) == pytest.approx(
        distance + 0.1 * float(expected), rel=1e-4)


@pytest.mark.parametrize('pooling', ['expectation', 'mean', 'eot'])
def test_padding_is_left_out_of_the_adapter_without_a_trace(pooling):
    adapter = TextAdapter(6, 10, pooling)
    nn.init.normal_(adapter.ffn.w3.weight)
    nn.init.normal_(adapter.ffn.w3.bias)
    tokens, masks = torch.randn(3, 4, 6), torch.tensor([
        [True, True, False, False], [True, True, True, True], [True, False, False, False]])
    for ours, whole in zip(adapt(adapter, tokens, masks), adapter(tokens, masks), strict=True):
        torch.testing.assert_close(ours, whole)


def test_folded_maps_equal_the_literal_ones():
    torch.manual_seed(0)
    branch = nn.Sequential(nn.Identity(), nn.Identity(), nn.Conv2d(6, 10, 1))
    norm = nn.BatchNorm2d(10).eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    neck = nn.Module()
    neck.embed_branches, neck.embed_norms = nn.ModuleList([branch] * 3), nn.ModuleList([norm] * 3)
    head_module = nn.Module()
    head_module.logit_scales = nn.ParameterList(nn.Parameter(torch.tensor(0.3)) for _ in range(3))
    head_module.biases = nn.ParameterList(nn.Parameter(torch.tensor(-2.0)) for _ in range(3))
    head = FoldedHead.of(neck, head_module)
    feats, masks = F.normalize(torch.randn(4, 3, 10), dim=-1), torch.ones(4, 3, dtype=torch.bool)
    masks[0, 2] = False
    hidden = torch.randn(8400, 6)
    with torch.no_grad():
        level = hidden[6400:8000].T.reshape(1, 6, 40, 40)
        expected, _ = expectation_alignment(norm(branch(level)), feats[None], masks[None])
        maps = head.alignment(hidden, feats, masks)
        torch.testing.assert_close(maps[1], expected[0].flatten(1), rtol=1e-4, atol=1e-5)
        logits = head.logits(maps)
    assert logits.shape == (4, 8400)
    torch.testing.assert_close(logits[:, 6400:8000], maps[1] * np.exp(0.3) - 2)


def test_cached_maps_are_read_back(tmp_path):
    np.save(tmp_path / 'hidden.npy', np.ones((1, 8400, 2), np.float16))
    np.save(tmp_path / 'boxes.npy', np.zeros((1, 8400, 4), np.float32))
    (tmp_path / 'images.json').write_text(json.dumps([dict(
        bboxes=[[1, 2, 3, 4], [0, 0, 9, 9]], labels=[7, 2],
        polygons=[[], [[0, 0, 9, 0, 9, 9]]])]))
    maps = CachedMaps(tmp_path)
    truth = maps.ground_truth(0)
    assert (len(maps), truth.labels.tolist()) == (1, [7, 2])
    assert truth.bboxes.tolist() == [[1, 2, 3, 4], [0, 0, 9, 9]]
    assert truth.has_mask.tolist() == [False, True]
    assert truth.masks[1].areas.tolist() == [40.5]
    assert maps.hidden(0).dtype == torch.float32
    head = FoldedHead(
        tuple(torch.eye(3, 2) * (level + 1) for level in range(3)), (torch.zeros(3),) * 3,
        (1.0, 1.0, 1.0), (0.0, 0.0, -0.5))
    bank = sample_cells(maps, head, torch.eye(3), best=5, others=3)
    assert 5 <= len(bank.features) <= 8
    # The last level has the largest weights, so its cells are the best.
    best = (bank.features == torch.tensor([3.0, 3.0, 0.0])).all(dim=1)
    assert best.sum() >= 5
    assert bank.biases.tolist() == [[-0.5] if last else [0.0] for last in best]
    assert bank.means.tolist() == [[1, 1, 0], [2, 2, 0], [3, 3, 0]]


def test_a_folder_without_maps_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='has no hidden.npy; make the maps with'):
        CachedMaps(tmp_path)


def test_name_vectors_without_names_are_an_error(tmp_path):
    np.savez(tmp_path / 'x.npz', vectors=np.ones((2, 3)))
    with pytest.raises(ValueError, match="no 'names' in it"):
        read_name_vectors(tmp_path / 'x.npz')


def test_rows_are_the_real_tokens():
    def encoder(texts):
        masks = torch.tensor([[True, True, False], [True, True, True]])
        return torch.arange(12.0).reshape(2, 3, 2), masks
    rows = token_rows(encode_names(encoder, ['a', 'b'], ('{}',)))
    assert rows.owners.tolist() == [0, 0, 1, 1, 1]
    assert rows.is_sentence.tolist() == [False, True, False, False, True]
    assert rows.tokens[2].tolist() == [6, 7]
