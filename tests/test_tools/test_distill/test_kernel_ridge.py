"""Kernel ridge regression from text features to vectors."""

import math

import torch
from distill.kernel_ridge import (
    KernelOptions,
    cross_validate,
    direction_agreement,
    fixed_length,
    predict,
)
from torch.nn import functional as F


def test_one_row_is_predicted_as_computed_by_hand():
    """Two orthogonal rows: the Gram matrix is [[1 + r, e], [e, 1 + r]] with e = exp(-gamma)."""
    features = torch.eye(2).double()
    vectors = torch.tensor([[3.0], [1.0]]).double()
    predicted, mean = predict(
        features, vectors, torch.ones(2).double(), features[:1], KernelOptions(1.0, 0.5))
    # Deviations are +1 and -1, so both coefficients are +-1 / (1.5 - e).
    e = math.exp(-1)
    assert mean.item() == 2
    assert abs(predicted.item() - (2 + (1 - e) / (1.5 - e))) < 1e-12


def test_a_row_of_less_weight_is_fitted_less_and_does_not_move_the_mean():
    features = torch.eye(3).double()
    vectors = torch.tensor([[2.0], [0.0], [9.0]]).double()
    weights = torch.tensor([1.0, 1.0, 0.1], dtype=torch.float64)
    predicted, mean = predict(features, vectors, weights, features, KernelOptions(30.0, 0.1))
    assert mean.item() == 1
    # Far apart in the kernel, row i is mean + deviation / (1 + ridge / weight).
    expected = torch.tensor([[1 + 1 / 1.1], [1 - 1 / 1.1], [1 + 8 / 2]], dtype=torch.float64)
    torch.testing.assert_close(predicted, expected, atol=1e-9, rtol=0)


def test_fixed_length_keeps_directions():
    vectors = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0], [0.0, -3.0]])
    found = fixed_length(torch.tensor([[0.1, 0.0], [0.0, -0.2]]), torch.zeros(2), vectors)
    torch.testing.assert_close(found, torch.tensor([[2.0, 0.0], [0.0, -2.0]]))


def test_direction_agreement():
    mean = torch.tensor([1.0, 1.0])
    found = direction_agreement(
        torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.tensor([[3.0, 1.0], [2.0, 1.0]]), mean)
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0]))


def test_cross_validation_leaves_all_spellings_out():
    """Another spelling of a name has its very features: with it in training the match is exact."""
    generator = torch.Generator().manual_seed(0)
    names = [f'thing {chr(97 + index)}' for index in range(20)]
    features = F.normalize(torch.randn(20, 8, generator=generator), dim=1).double()
    vectors = torch.randn(20, 5, generator=generator).double()
    options, tested = KernelOptions(4.0, 0.01), torch.arange(20)

    def score(names, twins):
        owners = torch.cat((torch.arange(20), torch.arange(20, 20 + len(twins))))
        rows = torch.cat((torch.arange(20), twins))
        return cross_validate(
            names, owners, features[rows], vectors[rows], torch.ones(len(rows)).double(),
            options, tested)

    alone = score(names, torch.arange(0))
    spelt = score([*names, *(name.replace(' ', '_') for name in names)], torch.arange(20))
    other = score([*names, *(f'object {index}' for index in range(20))], torch.arange(20))
    assert other > 0.99
    # Not equal: two equal rows of the names that stay halve the penalty.
    assert abs(spelt - alone) < 1e-4


def test_cross_validation_leaves_other_texts_of_a_name_out():
    generator = torch.Generator().manual_seed(1)
    names = [f'thing {chr(97 + index)}' for index in range(12)]
    features = torch.randn(12, 8, generator=generator).double()
    vectors = torch.randn(12, 5, generator=generator).double()
    tested, options = torch.arange(12), KernelOptions(4.0, 0.01)
    weights = torch.ones(12).double()
    plain = cross_validate(names, tested, features, vectors, weights, options, tested)
    with_texts = cross_validate(
        names, tested.repeat(2), features.repeat(2, 1), vectors.repeat(2, 1),
        torch.cat((weights, weights)), options, tested)
    assert with_texts < 0.5 and plain < 0.5
