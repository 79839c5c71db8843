"""Candidate selection against plain thresholding of sigmoid scores."""

import pytest
import torch

from expalign.models.dense_heads import select_candidates
from expalign.models.dense_heads.candidates import best_first


@pytest.mark.parametrize('score_thr', [0.0, 0.3])
@pytest.mark.parametrize('limit', [5, 1000])
def test_equals_sigmoid_threshold_and_sort(score_thr, limit):
    logits = torch.randn(7, 40, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([True, False, True, True, True, False, True])
    scores, priors, labels = select_candidates(logits, mask, score_thr, limit)
    dense = logits.sigmoid() * mask[:, None]
    expected = dense[dense > score_thr].sort(descending=True).values[:limit]
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(dense[labels, priors], scores)
    assert not set(labels.tolist()) & {1, 5}


def test_single_label_keeps_the_best_prompt_of_a_prior():
    logits = torch.tensor([[2.0, -1.0, 0.5], [1.0, 3.0, 9.0], [1.5, -2.0, 0.6]])
    mask = torch.tensor([True, False, True])
    scores, priors, labels = select_candidates(logits, mask, 0.4, 10, multi_label=False)
    assert priors.tolist() == [0, 2]
    assert labels.tolist() == [0, 2]
    torch.testing.assert_close(scores, torch.tensor([2.0, 0.6]).sigmoid())


def test_nothing_above_the_threshold():
    out = select_candidates(torch.full((3, 4), -9.0), torch.ones(3, dtype=torch.bool), 0.5, 10)
    assert [len(x) for x in out] == [0, 0, 0]


@pytest.mark.parametrize('limit', [1, 7, 60, 99, 100, 1000])
def test_best_first_is_a_stable_sort_of_everything(limit):
    # Twelve values in a hundred places: ties everywhere, at the limit, too.
    values = torch.randint(12, (100,), generator=torch.Generator().manual_seed(limit)).float()
    expected = values.sort(descending=True, stable=True).indices[:limit]
    assert best_first(values, limit).tolist() == expected.tolist()


@pytest.mark.parametrize('score_thr', [0.0, 0.6])
def test_every_prompt_keeps_its_best_priors(score_thr):
    logits = torch.randn(7, 40, generator=torch.Generator().manual_seed(0))
    logits[3] -= 20  # a prompt that loses against all others
    mask = torch.tensor([True, False, True, True, True, False, True])
    scores, priors, labels = select_candidates(
        logits, mask, score_thr, 1000, max_per_prompt=3)
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    for label in range(7):
        best = logits[label].sigmoid().sort(descending=True, stable=True)
        expected = best.values[:3][best.values[:3] > score_thr] if mask[label] else best.values[:0]
        assert torch.equal(scores[labels == label], expected)
        assert torch.equal(priors[labels == label], best.indices[:len(expected)])


def test_fewer_priors_than_a_prompt_may_have():
    out = select_candidates(
        torch.randn(2, 3), torch.ones(2, dtype=torch.bool), 0.0, 100, max_per_prompt=50)
    assert len(out[0]) == 6
