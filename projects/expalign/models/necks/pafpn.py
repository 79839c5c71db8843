"""YOLOv8's path-aggregation pyramid for any combination of input and output widths."""

from mmcv.cnn import ConvModule
from mmyolo.models.layers import CSPLayerWithTwoConv
from mmyolo.models.necks import YOLOv8PAFPN
from mmyolo.models.utils import make_divisible, make_round
from torch import nn

from expalign.registry import MODELS


@MODELS.register_module()
class ExpAlignPAFPN(YOLOv8PAFPN):
    """:class:`mmyolo.YOLOv8PAFPN` whose layers read the widths they are really given.

    The parent assumes that ``in_channels[i] == out_channels[i]`` for every level but the first;
    a DINOv3 ConvNeXt does not fit that (192, 384, 768 -> 256, 512, 512). Where the parent's
    assumption holds, layers, names and parameters are the parent's.

    Args:
        in_channels (list[int]): widths of C3, C4, C5.
        out_channels (list[int]): widths of P3, P4, P5.
    """

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
        return CSPLayerWithTwoConv(
            make_divisible(in_channels, self.widen_factor),
            make_divisible(out_channels, self.widen_factor),
            num_blocks=make_round(self.num_csp_blocks, self.deepen_factor),
            add_identity=False,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg)
