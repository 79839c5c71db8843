"""The convolutional branch of a YOLOv8 head, shared by class embedding and box regression."""

from mmcv.cnn import ConvModule
from mmengine.config import ConfigDict
from torch import nn


def conv_branch(
    in_channels: int,
    hidden_channels: int,
    out_channels: int,
    norm_cfg: dict | ConfigDict,
    act_cfg: dict | ConfigDict,
) -> nn.Sequential:
    """Two 3x3 convolutions (each with norm and activation) and a plain 1x1 convolution.

    Maps (B, in_channels, H, W) to (B, out_channels, H, W).
    """
    return nn.Sequential(
        ConvModule(in_channels, hidden_channels, 3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg),
        ConvModule(
            hidden_channels, hidden_channels, 3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg),
        nn.Conv2d(hidden_channels, out_channels, 1))
