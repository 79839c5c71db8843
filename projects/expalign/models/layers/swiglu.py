"""SwiGLU feed-forward network, zero at the start."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SwiGLU(nn.Module):
    """Gated feed-forward network ``w3(silu(a) * b)`` with ``a, b = split(w12(x))``.

    ``w3`` starts at zero, weight and bias, so that ``x + SwiGLU(x)`` starts as the identity.

    Args:
        dim: Width D of input and output.
        hidden_dim: Width of ``a`` and of ``b``; 2 D by default. ``w12`` is D -> 2 hidden_dim and
            ``w3`` hidden_dim -> D, both with a bias: 6 D^2 + 5 D parameters with the default
            width, 3,542,784 for D = 768.
    """

    def __init__(self, dim: int, hidden_dim: int | None = None) -> None:
        super().__init__()
        hidden_dim = hidden_dim or 2 * dim
        self.w12 = nn.Linear(dim, 2 * hidden_dim)
        self.w3 = nn.Linear(hidden_dim, dim)
        nn.init.zeros_(self.w3.weight)
        nn.init.zeros_(self.w3.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        gate, value = torch.chunk(self.w12(x), 2, dim=-1)
        return self.w3(F.silu(gate) * value)
