"""Candidate selection against plain thresholding of sigmoid scores."""

import pytest
import torch

from expalign.models.dense_heads import candidates as module
from expalign.models.dense_heads.candidates import best_values


def select_candidates(logits, mask, *args, **kwargs):
    """Of one image: scores, priors and labels of what is above the threshold."""
    scores, priors, labels, valid = (
        x[0] for x in module.select_candidates(logits[None], mask[None], *args, **kwargs))
    assert not (valid[1:] & ~valid[:-1]).any()
    return scores[valid], priors[valid], labels[valid]


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


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('limit', [1, 7, 60, 99, 300, 1000, 5000])
def test_the_order_is_that_of_a_stable_sort_of_everything(limit, dtype):
    """Twelve values in a thousand places: ties everywhere, at the limit, too, and both zeros."""
    generator = torch.Generator().manual_seed(limit)
    values = torch.randint(-5, 7, (3, 5, 189), generator=generator).to(dtype)
    values[torch.rand(3, 5, 189, generator=generator) > 0.5] *= -0.0
    values[2] = values[2].neg() + torch.rand(5, 189, generator=generator).to(dtype)
    masks = torch.tensor([[True] * 5, [True, False, True, True, False], [True] * 5])
    found, places = best_values(values, masks, limit)
    everything = values.float().masked_fill(~masks[..., None], -torch.inf).flatten(1)
    expected = everything.sort(dim=1, descending=True, stable=True)
    size = min(limit, 5 * 189)
    assert found.shape == (3, size)
    torch.testing.assert_close(found, expected.values[:, :size], rtol=0, atol=0)
    real = found > -torch.inf
    assert torch.equal(places[real], expected.indices[:, :size][real])


def test_images_of_a_batch_are_each_by_itself():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 6, 84, generator=generator)
    masks = torch.rand(4, 6, generator=generator) > 0.3
    for options in ({}, dict(multi_label=False), dict(max_per_prompt=4)):
        together = module.select_candidates(logits, masks, 0.4, 37, **options)
        for image in range(4):
            alone = module.select_candidates(
                logits[image:image + 1], masks[image:image + 1], 0.4, 37, **options)
            for a, b in zip(together, alone, strict=True):
                torch.testing.assert_close(a[image], b[0])  # sigmoid rounds by place in memory


def test_infinite_logits_and_nan():
    logits = torch.zeros(2, 84)
    logits[0, 3], logits[0, 5], logits[1, :] = torch.inf, -torch.inf, torch.nan
    scores, priors, labels = select_candidates(logits, torch.ones(2, dtype=torch.bool), 0.3, 10)
    assert priors.tolist() == [3, 0, 1, 2, 4, 6, 7, 8, 9, 10] and not labels.any()
    assert scores.tolist() == [1.0] + [0.5] * 9


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
