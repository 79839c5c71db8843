"""YOLOv8's path-aggregation pyramid for any widths, optionally guided by prompts."""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmyolo.models.layers import CSPLayerWithTwoConv
from mmyolo.models.necks import YOLOv8PAFPN
from mmyolo.models.utils import make_divisible, make_round
from torch import Tensor, nn

from expalign.models.layers.max_sigmoid_csp import MaxSigmoidCSPLayer
from expalign.registry import MODELS


@MODELS.register_module()
class ExpAlignPAFPN(YOLOv8PAFPN):
    """:class:`mmyolo.YOLOv8PAFPN` whose layers read the widths they are really given.

    The parent assumes that ``in_channels[i] == out_channels[i]`` for every level but the first;
    a DINOv3 ConvNeXt does not fit that (192, 384, 768 -> 256, 512, 512). Where the parent's
    assumption holds, layers, names and parameters are the parent's.

    With ``guide_channels`` the four C2f layers have one more branch each, gated by how well a
    cell matches any prompt (YOLO-World v2's neck), and :meth:`forward` needs the prompts.

    Args:
        in_channels (list[int]): widths of C3, C4, C5.
        out_channels (list[int]): widths of P3, P4, P5.
        guide_channels: D, the width of the prompts' guide vectors; None for no gating.
        kwargs: as in the parent.
    """

    def __init__(self, *args, guide_channels: int | None = None, **kwargs) -> None:
        # The parent builds its layers in its constructor.
        self.guide_channels = guide_channels
        super().__init__(*args, **kwargs)

    def forward(
        self,
        inputs: Sequence[Tensor],
        guides: Tensor | None = None,
        guide_masks: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """C3, C4, C5 to P3, P4, P5.

        Args:
            inputs: maps (B, C_s, H_s, W_s).
            guides: (B or 1, K, guide_channels), one vector per prompt; only with
                ``guide_channels``.
            guide_masks: (B or 1, K) bool, False at prompts that are padding.
        """
        if self.guide_channels is None:
            return super().forward(inputs)
        *laterals, top = inputs
        inner = [top]  # from C5 down to level 3
        for lateral, upsample, layer in zip(
                reversed(laterals), self.upsample_layers, self.top_down_layers, strict=True):
            fused = torch.cat([upsample(inner[-1]), lateral], dim=1)
            inner.append(layer(fused, guides, guide_masks))
        outputs = [inner.pop()]
        for lateral, downsample, layer in zip(
                reversed(inner), self.downsample_layers, self.bottom_up_layers, strict=True):
            fused = torch.cat([downsample(outputs[-1]), lateral], dim=1)
            outputs.append(layer(fused, guides, guide_masks))
        return tuple(outputs)

    def train(self, mode: bool = True) -> 'ExpAlignPAFPN':
        """Set the mode and return the module, which the parent forgets to do."""
        super().train(mode)
        return self

    def build_top_down_layer(self, idx: int) -> nn.Module:
        """Layer that fuses the map from level ``idx`` (upsampled) with level ``idx - 1``."""
        top = len(self.in_channels) - 1
        from_above = self.in_channels[idx] if idx == top else self.out_channels[idx]
        return self._csp_layer(from_above + self.in_channels[idx - 1], self.out_channels[idx - 1])

    def build_downsample_layer(self, idx: int) -> nn.Module:
        """Convolution that halves the map of level ``idx`` on its way up."""
        channels = make_divisible(self.out_channels[idx], self.widen_factor)
        return ConvModule(
            channels, channels, 3, stride=2, padding=1,
            norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)

    def build_bottom_up_layer(self, idx: int) -> nn.Module:
        """Layer that fuses the map from level ``idx`` (downsampled) with level ``idx + 1``."""
        top = len(self.in_channels) - 1
        lateral = self.in_channels[top] if idx + 1 == top else self.out_channels[idx + 1]
        return self._csp_layer(self.out_channels[idx] + lateral, self.out_channels[idx + 1])

    def _csp_layer(self, in_channels: int, out_channels: int) -> nn.Module:
        guided = self.guide_channels is not None
        return (MaxSigmoidCSPLayer if guided else CSPLayerWithTwoConv)(
            make_divisible(in_channels, self.widen_factor),
            make_divisible(out_channels, self.widen_factor),
            **(dict(guide_channels=self.guide_channels) if guided else {}),
            num_blocks=make_round(self.num_csp_blocks, self.deepen_factor),
            add_identity=False,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg)
