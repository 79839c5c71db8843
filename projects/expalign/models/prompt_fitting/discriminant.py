"""A token made of examples in closed form: what tells them from everything else, linearly.

Axes: n examples, D width of the features.
"""

import torch
from torch import Tensor

EXAMPLE, BACKGROUND = 0.0, -9.0  # logits of the examples' mean and of the background's
RIDGE = 3.0  # of the background's mean variance


def discriminant(
    examples: Tensor, mean: Tensor, covariance: Tensor, scale: float, bias: float,
    ridge: float = RIDGE,
) -> Tensor:
    """The token T (D) of linear discriminant analysis, on the scale of a head's logits.

    With m the mean of the examples and Sigma the background's covariance plus ``ridge`` times its
    mean variance on the diagonal, T is the combination of Sigma^-1 (m - mean) and Sigma^-1 mean
    for which

        scale <m, T> + bias = EXAMPLE;    scale <mean, T> + bias = BACKGROUND.

    The first direction is that of the best linear separation of two normal distributions of this
    covariance; of all directions in which the background has a mean, the second has the least
    variance.

    Args:
        examples: (n, D) features of cells that show what is meant.
        mean: (D) of the background's features.
        covariance: (D, D) of them.
        scale, bias: of the logits, scale * <F, T> + bias.
        ridge: see above, > 0.

    Raises:
        ValueError: the examples cannot be told from the background's mean.
    """
    example = examples.double().mean(0)
    mean, covariance = mean.double(), _ridged(covariance, ridge)
    directions = torch.linalg.solve(covariance, torch.stack([example - mean, mean], 1))  # (D, 2)
    return _scaled(directions, example, mean, scale, bias).to(examples.dtype)


def calibrated(
    token: Tensor, examples: Tensor, mean: Tensor, covariance: Tensor, scale: float, bias: float,
) -> Tensor:
    """A token (D) on the same scale: with Sigma^-1 mean added so that both equations hold.

    Arguments are those of :func:`discriminant`, and ``token``, the direction that is meant.

    Raises:
        ValueError: by it the examples cannot be told from the background's mean.
    """
    example, mean = examples.double().mean(0), mean.double()
    still = torch.linalg.solve(_ridged(covariance, RIDGE), mean)
    directions = torch.stack([token.double(), still], 1)
    return _scaled(directions, example, mean, scale, bias).to(examples.dtype)


def _ridged(covariance: Tensor, ridge: float) -> Tensor:
    covariance = covariance.double()
    return covariance + ridge * covariance.diagonal().mean() * torch.eye(
        len(covariance), dtype=torch.double, device=covariance.device)


def _scaled(directions: Tensor, example: Tensor, mean: Tensor, scale: float, bias: float
            ) -> Tensor:
    """The combination of two directions (D, 2) that meets both equations."""
    products = torch.stack([example, mean]) @ directions
    wanted = products.new_tensor([(EXAMPLE - bias) / scale, (BACKGROUND - bias) / scale])
    shares, info = torch.linalg.solve_ex(products, wanted)
    if info or not shares.isfinite().all():
        raise ValueError('the examples look like the background: nothing tells them apart')
    return directions @ shares
