"""Class heads of the same shape, from the hidden maps of the class branch to one map a prompt.

Axes: B images, K prompts, L tokens, C hidden width, D embedding width, H x W cells.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from expalign.models.layers import expectation_alignment, masked_softmax

Align = Callable[[Tensor, Tensor, Tensor], Tensor]


class EmbeddedHead(nn.Module):
    """1x1 convolution to D and batch normalisation per level, then a product with the prompts.

    Args:
        align: (F (B, D, H, W), tokens, masks) -> maps (B, K, H, W).
        channels: C.
        width: D.
        levels: number of levels.
    """

    def __init__(self, align: Align, channels: int, width: int, levels: int) -> None:
        super().__init__()
        self.align = align
        self.convs = nn.ModuleList(nn.Conv2d(channels, width, 1) for _ in range(levels))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(levels))

    def forward(self, hidden: Sequence[Tensor], tokens: Tensor, masks: Tensor) -> list[Tensor]:
        """Maps (B, K, H, W) of hidden maps (B, C, H, W) and tokens (B or 1, K, L, D)."""
        return [self.align(norm(conv(x)), tokens, masks)
                for conv, norm, x in zip(self.convs, self.norms, hidden, strict=True)]


class StaticHead(nn.Module):
    """One vector a prompt, folded into a 1x1 convolution per level: logits with scale and bias.

    Args:
        channels: C.
        prompts: K.
        levels: number of levels.
        as_matmul: compute the convolution as a matrix product.
    """

    def __init__(self, channels: int, prompts: int, levels: int, as_matmul: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, prompts, 1) for _ in range(levels))
        self.as_matmul = as_matmul

    def forward(self, hidden: Sequence[Tensor]) -> list[Tensor]:
        """Logits (B, K, H, W), or (B, K, H * W) as a matrix product."""
        if not self.as_matmul:
            return [conv(x) for conv, x in zip(self.convs, hidden, strict=True)]
        outputs = []
        for conv, x in zip(self.convs, hidden, strict=True):
            weight = conv.weight.flatten(1)
            if len(x) == 1:
                outputs.append(torch.addmm(conv.bias[:, None], weight, x[0].flatten(1)))
            else:
                outputs.append(torch.baddbmm(
                    conv.bias[None, :, None], weight.expand(len(x), -1, -1), x.flatten(2)))
        return outputs


def align_sentence(feats: Tensor, tokens: Tensor, masks: Tensor) -> Tensor:
    """The product with the last of every prompt's tokens, as sentence-level heads have it."""
    return torch.einsum('bdhw,bkd->bkhw', feats, tokens[:, :, -1].expand(len(feats), -1, -1))


def align_expectation(feats: Tensor, tokens: Tensor, masks: Tensor) -> Tensor:
    """The form that ships."""
    return expectation_alignment(feats, tokens, masks)[0]


def align_literal(feats: Tensor, tokens: Tensor, masks: Tensor) -> Tensor:
    """Eqs 1-4 as they are written, with the similarity of every token and cell."""
    similarity = torch.einsum(
        'bdhw,bkld->bklhw', feats, tokens.expand(len(feats), -1, -1, -1))
    weights = masked_softmax(similarity.mean((3, 4)), masks)
    return (weights[..., None, None] * similarity).sum(2)


def random_prompts(
    batch: int, prompts: int, length: int, width: int, filled: bool
) -> tuple[Tensor, Tensor]:
    """Tokens (B, K, L, D) of unit length and masks (B, K, L); ``filled``: all of them are real.

    Otherwise a prompt has 2 to L real ones; the last one is always real.
    """
    tokens = F.normalize(torch.randn(batch, prompts, length, width), dim=-1)
    lengths = torch.randint(min(2, length), length + 1, (batch, prompts, 1))
    masks = torch.arange(length) >= length - (length if filled else lengths)
    return tokens, masks.expand(batch, prompts, length)
