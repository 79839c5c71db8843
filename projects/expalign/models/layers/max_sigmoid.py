"""Text-guided gating of image features by max-sigmoid attention (YOLO-World, arXiv 2401.17270).

Axes: B images, K prompts, L tokens per prompt, D width of the text, M heads, N cells.

Every cell of a map is compared with every prompt, head by head, and the best match decides how
much of the cell's features passes: ``gate = sigmoid(max_k <x, W g_k> / sqrt(width) + bias)``.
"""

import math
from collections.abc import Iterable
from functools import reduce

import torch
from mmcv.cnn import ConvModule
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from torch import Tensor, nn

# Prompts compared at a time: bounds memory to (B, M, 256, N) however large the vocabulary.
PROMPT_CHUNK = 256
NORM_CFG = dict(type='BN', momentum=0.03, eps=0.001)  # YOLOv8's


def masked_token_mean(txt_feats: Tensor, txt_masks: Tensor) -> tuple[Tensor, Tensor]:
    """One guide vector per prompt: the mean of its real tokens, the token itself for one.

    Args:
        txt_feats: (..., K, L, D) tokens.
        txt_masks: (..., K, L) bool, True at real tokens.

    Returns:
        guides (..., K, D), zero where a prompt has no token, and guide_masks (..., K) bool,
        False there.
    """
    weights = txt_masks.to(txt_feats.dtype)
    total = torch.einsum('...kl,...kld->...kd', weights, txt_feats)
    count = weights.sum(dim=-1, keepdim=True).clamp(min=1)
    return total / count, txt_masks.any(dim=-1)


def best_match(
    cells: Tensor, guides: Tensor, guide_masks: Tensor, chunk: int = PROMPT_CHUNK
) -> Tensor:
    """Largest inner product of every cell with any prompt that is there.

    Args:
        cells: (B, M, c, N).
        guides: (B or 1, K, M, c).
        guide_masks: (B or 1, K) bool, False at prompts that are padding.
        chunk: prompts compared at a time.

    Returns:
        (B, M, N); the lowest finite number for an image all of whose prompts are padding.
    """
    parts: Iterable[tuple[Tensor, Tensor]] = [(guides, guide_masks)]
    if guides.shape[1] > chunk and not torch.onnx.is_in_onnx_export():  # a graph has one for all K
        parts = zip(guides.split(chunk, 1), guide_masks.split(chunk, 1), strict=True)
    return reduce(torch.maximum, (_best(cells, *part) for part in parts))


def _best(cells: Tensor, guides: Tensor, guide_masks: Tensor) -> Tensor:
    """:func:`best_match` of few prompts."""
    scores = torch.matmul(guides.transpose(1, 2), cells)  # (B, M, chunk, N)
    lowest = torch.finfo(scores.dtype).min  # finite: no NaN where every prompt is padding
    return scores.masked_fill(~guide_masks[:, None, :, None], lowest).amax(dim=2)


class MaxSigmoidGate(BaseModule):
    """A 3x3-convolved map, each head of it scaled by how well its cells match any prompt.

    Args:
        channels: width C of the map, going in and coming out.
        guide_channels: D, the width of the guides.
        num_heads: M; divides both C and ``embed_channels``.
        embed_channels: width in which cells and prompts are compared; C by default. Where it
            differs from C, a 1x1 convolution with norm leads there.
        with_scale: whether the gate of each head has a learned factor.
        norm_cfg: norm of the convolutions, which have no activation.

    Raises:
        ValueError: the number of heads does not divide the widths.
    """

    def __init__(
        self,
        channels: int,
        guide_channels: int,
        num_heads: int,
        embed_channels: int | None = None,
        with_scale: bool = False,
        norm_cfg: dict | ConfigDict = NORM_CFG,
    ) -> None:
        super().__init__()
        embed_channels = embed_channels or channels
        if channels % num_heads or embed_channels % num_heads:
            raise ValueError(
                f'{num_heads} heads do not divide {channels} channels and {embed_channels} '
                'embedding channels')
        self.num_heads = num_heads
        self.embed_conv = nn.Identity()
        if embed_channels != channels:
            self.embed_conv = ConvModule(
                channels, embed_channels, 1, norm_cfg=norm_cfg, act_cfg=None)
        self.guide_proj = nn.Linear(guide_channels, embed_channels)
        self.value_conv = ConvModule(
            channels, channels, 3, padding=1, norm_cfg=norm_cfg, act_cfg=None)
        self.bias = nn.Parameter(torch.zeros(num_heads))
        self.scale = nn.Parameter(torch.ones(1, num_heads, 1, 1)) if with_scale else None

    def forward(self, x: Tensor, guides: Tensor, guide_masks: Tensor) -> Tensor:
        """Gate a map.

        Args:
            x: (B, C, H, W).
            guides: (B or 1, K, D), one vector per prompt.
            guide_masks: (B or 1, K) bool, False at prompts that are padding.

        Returns:
            (B, C, H, W); zero where an image has no prompt at all.
        """
        # reshape with sizes read from tensors, not unflatten, which writes the sizes of the example
        # into an exported graph.
        batch, _, height, width = x.shape
        cells = self.embed_conv(x).reshape(batch, self.num_heads, -1, height * width)
        heads = self.guide_proj(guides).reshape(*guides.shape[:2], self.num_heads, -1)
        match = best_match(cells, heads.to(cells.dtype), guide_masks)  # (B, M, N)
        match = match.reshape(batch, -1, height, width) / math.sqrt(cells.shape[2])
        gate = torch.sigmoid(match + self.bias[:, None, None])  # (B, M, H, W)
        if self.scale is not None:
            gate = gate * self.scale
        values = self.value_conv(x).reshape(batch, self.num_heads, -1, height, width)
        return (values * gate[:, :, None]).flatten(1, 2)
