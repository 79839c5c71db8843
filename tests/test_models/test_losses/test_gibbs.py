"""Theorem B.4, parts 1 to 3: minimum of the free energy, its value, its limits."""

import math

import pytest
import torch

from expalign.models.losses import gibbs_distribution


def case(seed=0):
    """Scores (K, H, W) and a standardised advantage on a part of the cells, in float64."""
    gen = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, 4, 5, generator=gen, dtype=torch.float64)
    advantage = torch.zeros_like(scores)
    rewards = scores[0].sigmoid()
    advantage[0] = (rewards - rewards.mean()) / rewards.std(correction=0)
    return scores, advantage


def free_energy(probs, scores, advantage, strength, temperature):
    """-sum Q (S + lambda A) + tau KL(Q || uniform)."""
    divergence = (probs * (probs * probs.numel()).log()).sum()
    return -(probs * (scores + strength * advantage)).sum() + temperature * divergence


PARAMETERS = [(1.0, 1.0), (0.5, 0.1), (3.0, 2.0)]


@pytest.mark.parametrize(('strength', 'temperature'), PARAMETERS)
def test_value_of_the_minimum(strength, temperature):
    scores, advantage = case()
    probs = gibbs_distribution(scores, advantage, strength, temperature)
    assert probs.shape == scores.shape and probs.sum().item() == pytest.approx(1, abs=1e-12)
    exponent = (scores + strength * advantage) / temperature
    expected = -temperature * (exponent.flatten().logsumexp(0) - math.log(scores.numel()))
    value = free_energy(probs, scores, advantage, strength, temperature)
    assert value.item() == pytest.approx(expected.item(), abs=1e-10)


@pytest.mark.parametrize(('strength', 'temperature'), PARAMETERS)
def test_no_numerical_minimum_is_lower(strength, temperature):
    scores, advantage = case(1)
    least = free_energy(
        gibbs_distribution(scores, advantage, strength, temperature),
        scores, advantage, strength, temperature).item()
    logits = torch.zeros_like(scores).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-15,
        line_search_fn='strong_wolfe')

    def closure():
        optimiser.zero_grad()
        value = free_energy(
            logits.flatten().softmax(0).view_as(logits), scores, advantage, strength, temperature)
        value.backward()
        return value

    optimiser.step(closure)
    found = closure().item()
    assert found >= least - 1e-8
    assert found == pytest.approx(least, abs=1e-4)  # the search did arrive


def test_limits():
    scores, advantage = case(2)
    uniform = torch.full_like(scores, 1 / scores.numel())
    torch.testing.assert_close(
        gibbs_distribution(scores, advantage, 1.0, 1e9), uniform, atol=1e-9, rtol=0)
    plain = (scores / 0.5).flatten().softmax(0).view_as(scores)
    torch.testing.assert_close(
        gibbs_distribution(scores, advantage, 1e-12, 0.5), plain, atol=1e-10, rtol=0)
    assert advantage.sum().abs() < 1e-10  # so that A / sum A is no distribution


def test_precision_and_arguments():
    scores, advantage = case()
    low = gibbs_distribution(scores.bfloat16(), advantage.bfloat16(), 1.0, 1.0)
    assert low.dtype == torch.float32
    exact = gibbs_distribution(
        scores.bfloat16().double(), advantage.bfloat16().double(), 1.0, 1.0)
    torch.testing.assert_close(low.double(), exact, atol=1e-7, rtol=1e-5)
    with pytest.raises(ValueError, match='temperature must be > 0, got 0'):
        gibbs_distribution(scores, advantage, 1.0, 0.0)
    with pytest.raises(ValueError, match='must have one shape'):
        gibbs_distribution(scores, advantage[0], 1.0, 1.0)
