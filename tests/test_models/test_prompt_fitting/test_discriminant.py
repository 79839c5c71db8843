"""The closed form of a token, against numbers computed by hand and its invariants."""

import pytest
import torch

from expalign.models.prompt_fitting.discriminant import (
    BACKGROUND,
    EXAMPLE,
    calibrated,
    discriminant,
)

torch.manual_seed(0)


def test_by_hand():
    """Background mean (1, 0), covariance diag(1, 3), ridge 1/2 of the mean variance 2.

    Sigma = diag(2, 4). Examples' mean (1, 4): Sigma^-1 (m - mean) = (0, 1), Sigma^-1 mean =
    (1/2, 0). T = (t/2, s): <mean, T> = t/2 = (-9 + 10) / 2, so t = 1; <m, T> = 1/2 + 4 s =
    (0 + 10) / 2, so s = 9/8.
    """
    token = discriminant(
        torch.tensor([[0.0, 3.0], [2.0, 5.0]]), torch.tensor([1.0, 0.0]),
        torch.diag(torch.tensor([1.0, 3.0])), scale=2.0, bias=-10.0, ridge=0.5)
    torch.testing.assert_close(token, torch.tensor([0.5, 1.125]))


def test_calibrated_by_hand():
    """Sigma = diag(1, 3) + 3 * 2 = diag(7, 9), Sigma^-1 mean = (1/7, 0), the token's way (0, 1).

    T = (t/7, s): <mean, T> = t/7 = 1/2, and <m, T> = 1/2 + 4 s = 5.
    """
    token = calibrated(
        torch.tensor([0.0, 0.2]), torch.tensor([[0.0, 3.0], [2.0, 5.0]]), torch.tensor([1.0, 0.0]),
        torch.diag(torch.tensor([1.0, 3.0])), scale=2.0, bias=-10.0)
    torch.testing.assert_close(token, torch.tensor([0.5, 1.125]))


def test_a_discriminant_is_calibrated_already():
    mean, covariance, examples = cloud()
    token = discriminant(examples, mean, covariance, 2.0, -9.5)
    again = calibrated(0.3 * token, examples, mean, covariance, 2.0, -9.5)
    torch.testing.assert_close(again, token)


def cloud():
    background = torch.randn(500, 6, dtype=torch.double) @ torch.randn(6, 6, dtype=torch.double)
    background = background + torch.randn(6, dtype=torch.double)
    return background.mean(0), torch.cov(background.T, correction=0), torch.randn(
        3, 6, dtype=torch.double) + 2


def test_it_meets_its_two_conditions():
    mean, covariance, examples = cloud()
    for scale, bias in ((1.0, 0.0), (4.0, -11.0)):
        token = discriminant(examples, mean, covariance, scale, bias)
        logits = scale * torch.stack([examples.mean(0), mean]) @ token + bias
        torch.testing.assert_close(logits, torch.tensor([EXAMPLE, BACKGROUND]).double())


def test_a_turned_space_has_the_turned_token():
    mean, covariance, examples = cloud()
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.double)).Q
    token = discriminant(examples, mean, covariance, 2.0, -9.5)
    turned = discriminant(
        examples @ turn.T, turn @ mean, turn @ covariance @ turn.T, 2.0, -9.5)
    torch.testing.assert_close(turned, turn @ token)


def test_order_and_copies_of_examples_do_not_count():
    mean, covariance, examples = cloud()
    token = discriminant(examples, mean, covariance, 2.0, -9.5)
    again = discriminant(examples.flip(0).repeat(2, 1), mean, covariance, 2.0, -9.5)
    torch.testing.assert_close(again, token)


def test_directions_in_which_the_background_varies_count_less():
    """Examples as far from the mean in a quiet direction as in a loud one."""
    token = discriminant(
        torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([0.0, 0.0, 1.0]),
        torch.diag(torch.tensor([0.01, 1.0, 1.0])), 1.0, -9.0, ridge=1e-3)
    assert token[0] > 50 * token[1] > 0


def test_examples_that_are_the_background_are_refused():
    mean = torch.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match='look like the background'):
        discriminant(mean[None], mean, torch.eye(2), 1.0, 0.0)
