"""YOLOv8's C2f layer with one more branch, gated by prompts (YOLO-World, arXiv 2401.17270)."""

import torch
from mmcv.cnn import ConvModule
from mmengine.config import ConfigDict
from mmyolo.models.layers import CSPLayerWithTwoConv
from torch import Tensor

from .max_sigmoid import NORM_CFG, MaxSigmoidGate

ACT_CFG = dict(type='SiLU', inplace=True)  # YOLOv8's


class MaxSigmoidCSPLayer(CSPLayerWithTwoConv):
    """:class:`mmyolo.CSPLayerWithTwoConv` plus a :class:`MaxSigmoidGate`.

    The gate reads the last bottleneck's output; its own output joins the other parts before the
    final 1x1 convolution.

    Args:
        in_channels: width going in.
        out_channels: width coming out; half of it is the width of the parts.
        guide_channels: D, the width of the guides.
        head_channels: width of one head of the gate.
        norm_cfg, act_cfg, kwargs: as in the parent.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        guide_channels: int,
        head_channels: int = 32,
        norm_cfg: dict | ConfigDict = NORM_CFG,
        act_cfg: dict | ConfigDict = ACT_CFG,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, out_channels, norm_cfg=norm_cfg, act_cfg=act_cfg, **kwargs)
        parts = 3 + len(self.blocks)
        self.final_conv = ConvModule(
            parts * self.mid_channels, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.gate = MaxSigmoidGate(
            self.mid_channels, guide_channels, max(1, self.mid_channels // head_channels),
            norm_cfg=norm_cfg)

    def forward(self, x: Tensor, guides: Tensor, guide_masks: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W); see :class:`MaxSigmoidGate`."""
        parts = list(self.main_conv(x).chunk(2, dim=1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        parts.append(self.gate(parts[-1], guides, guide_masks))
        return self.final_conv(torch.cat(parts, dim=1))
