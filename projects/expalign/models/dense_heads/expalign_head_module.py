"""Parameters of the detection head.

Axes: B images, K prompts.
"""

import math
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from expalign.models.layers import FoldedMaps, TokenTable, conv_branch
from expalign.registry import MODELS


@MODELS.register_module()
class ExpAlignHeadModule(BaseModule):
    """Parameters of the head: box branches, logit scale and bias per level.

    Args:
        in_channels: widths of P3, P4, P5.
        featmap_strides: their strides in pixels.
        reg_max: bins of the box-side distributions (DFL).
        num_base_prompts: K0 of the bias at start, log(5 / K0 / (640 / stride)^2) (YOLOv8).
        norm_cfg: norm of the 3x3 convolutions.
        act_cfg: their activation.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        featmap_strides: Sequence[int] = (8, 16, 32),
        reg_max: int = 16,
        num_base_prompts: int = 80,
        norm_cfg: dict = dict(type='BN', momentum=0.03, eps=0.001),
        act_cfg: dict = dict(type='SiLU', inplace=True),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        # Read by mmyolo's heads; labels are counted per batch, never from here.
        self.num_classes = num_base_prompts
        self.featmap_strides = tuple(featmap_strides)
        self.reg_max = reg_max
        hidden = max(16, in_channels[0] // 4, reg_max * 4)
        self.box_branches = nn.ModuleList(
            conv_branch(channels, hidden, 4 * reg_max, norm_cfg, act_cfg)
            for channels in in_channels)
        num_levels = len(self.featmap_strides)
        self.logit_scales = nn.ParameterList(
            nn.Parameter(torch.tensor(0.07)) for _ in range(num_levels))
        self.biases = nn.ParameterList(
            nn.Parameter(torch.tensor(math.log(5 / num_base_prompts / (640 / stride)**2)))
            for stride in self.featmap_strides)
        for branch in self.box_branches:
            nn.init.constant_(branch[-1].bias, 1.0)

    def fold(self, table: TokenTable) -> TokenTable:
        """The table with what gives the logits of its maps, exp(scale) EAM + bias.

        It is of the present scales and biases, and to be made again when they change.
        """
        return table.with_logits([
            (scale.exp().item(), bias.item())
            for scale, bias in zip(self.logit_scales, self.biases, strict=True)])

    def forward(
        self, pyramid: Sequence[Tensor], eams: Sequence[Tensor]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Class logits and box distributions of every level.

        Args:
            pyramid: P3, P4, P5, each (B, C_s, H_s, W_s).
            eams: alignment maps, each (B, K, H_s, W_s). Those of a table are not computed: it is
                one of :meth:`fold`.

        Returns:
            logits, each (B, K, H_s, W_s), and distribution logits, each (B, 4 * reg_max, H_s, W_s).
        """
        if isinstance(eams, FoldedMaps):
            return eams.logits(), *self.maps(pyramid)
        # In place: on maps of 1,203 prompts a second tensor costs as much as the arithmetic.
        logits = tuple(
            (eam * scale.exp()).add_(bias)
            for eam, scale, bias in zip(eams, self.logit_scales, self.biases, strict=True))
        return logits, *self.maps(pyramid)

    def maps(self, pyramid: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], ...]:
        """What is made of the pyramid alone, and can be compiled: the distribution logits."""
        return (each_level(self.box_branches, pyramid),)


def each_level(branches: nn.ModuleList, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What the branch of each level makes of its map."""
    return tuple(branch(feat) for branch, feat in zip(branches, pyramid, strict=True))
