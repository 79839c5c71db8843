"""Noise to start from: as loud as it says, by seed."""

import torch

from expalign.models.prompt_fitting.image_cells import ImageSide
from expalign.models.prompt_fitting.noise import LOUDNESS, noise_tokens

SIDE = ImageSide((torch.eye(3),), (torch.zeros(3),), (4.0,), (-9.0,))


def test_its_logits_over_the_background_have_the_loudness():
    """Of 2,000 cells with metric F^T F / 2000, the mean square of 4 <F, T> is LOUDNESS^2."""
    cells = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)).double()
    cells = cells * torch.tensor([1.0, 2, 5]) + 1
    tokens = noise_tokens(4, 2, cells.T @ cells / len(cells), SIDE, seed=0)
    assert tokens.shape == (4, 2, 3) and tokens.dtype == torch.float32
    added = 4 * torch.einsum('nd,kld->nkl', cells, tokens.double())
    torch.testing.assert_close(added.square().mean(0).sqrt(),
                               torch.full((4, 2), LOUDNESS).double(), rtol=1e-5, atol=0)


def test_another_seed_has_another_direction():
    one, same, other = (noise_tokens(2, 1, torch.eye(3), SIDE, seed) for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.allclose(one, other, atol=1e-3)
    assert not torch.allclose(one[0], one[1], atol=1e-3)
