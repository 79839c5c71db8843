"""The closed-form fit of a text adapter."""

import pytest
import torch
from distill import RidgeFitOptions, TokenRows, fit_adapter, spread_ratio
from distill.ridge_fit import cluster_centres
from torch.nn import functional as F


@pytest.fixture
def problem():
    """60 names of two tokens, whose vectors are a smooth function of their sentence vectors."""
    generator = torch.Generator().manual_seed(0)
    sentences = F.normalize(torch.randn(60, 12, generator=generator), dim=1)
    mixing = torch.randn(12, 20, generator=generator)
    vectors = F.normalize(torch.tanh(sentences @ mixing) + 2, dim=1)
    tokens = torch.stack((sentences + 0.1, sentences), dim=1).flatten(0, 1)
    rows = TokenRows(
        tokens, torch.arange(60).repeat_interleave(2), torch.tensor([False, True]).repeat(60))
    return rows, sentences, vectors


def predict(adapter, sentences):
    feats, _ = adapter(sentences[:, None], torch.ones(len(sentences), 1, dtype=torch.bool))
    return feats[:, 0]


def test_the_fit_reproduces_the_vectors(problem):
    rows, sentences, vectors = problem
    adapter = fit_adapter(
        rows, vectors, 'eot', RidgeFitOptions(ridge=1e-4, spread=1.0, token_weight=0.0))
    cosine = F.cosine_similarity(
        predict(adapter, sentences) - vectors.mean(0), vectors - vectors.mean(0))
    assert cosine.mean() > 0.95


def test_a_larger_spread_moves_predictions_away_from_the_mean(problem):
    rows, sentences, vectors = problem
    ratios = [
        spread_ratio(predict(
            fit_adapter(rows, vectors, 'eot', RidgeFitOptions(spread=spread)), sentences), vectors)
        for spread in (0.5, 1.0, 2.0)]
    assert ratios[0] < ratios[1] < ratios[2]


def test_equal_seeds_give_equal_weights(problem):
    rows, _, vectors = problem
    first, second = (fit_adapter(rows, vectors, seed=3).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_token_without_a_vector_is_an_error(problem):
    rows, _, vectors = problem
    with pytest.raises(ValueError, match='belongs to name 59, but there are 10 vectors'):
        fit_adapter(rows, vectors[:10])


def test_too_few_points_for_the_centres_are_an_error():
    with pytest.raises(ValueError, match='3 sentence vectors are too few for 4 centres'):
        cluster_centres(torch.eye(3), 4, 0)
