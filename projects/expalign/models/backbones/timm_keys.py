"""Parameter names of timm's DINOv3 ConvNeXt files, in transformers' terms.

timm republishes the DINOv3 ConvNeXt weights without a gate. The networks are the same, the names
differ:

====================================  =====================================================
timm                                  transformers ``DINOv3ConvNextBackbone``
====================================  =====================================================
``stem.{0,1}``                        ``model.stages.0.downsample_layers.{0,1}``
``stages.S.downsample.{0,1}``         ``model.stages.S.downsample_layers.{0,1}``
``stages.S.blocks.B.conv_dw``         ``model.stages.S.layers.B.depthwise_conv``
``stages.S.blocks.B.norm``            ``model.stages.S.layers.B.layer_norm``
``stages.S.blocks.B.mlp.fc{1,2}``     ``model.stages.S.layers.B.pointwise_conv{1,2}``
``stages.S.blocks.B.gamma``           ``model.stages.S.layers.B.gamma``
``head.norm``                         dropped: the norm of the pooled vector
====================================  =====================================================
"""

import re
from collections.abc import Mapping

from torch import Tensor

_RULES = (
    (r'^stem\.', 'stages.0.downsample_layers.'),
    (r'\.downsample\.', '.downsample_layers.'),
    (r'\.blocks\.', '.layers.'),
    (r'\.conv_dw\.', '.depthwise_conv.'),
    (r'\.norm\.', '.layer_norm.'),
    (r'\.mlp\.fc', '.pointwise_conv'),
)


def is_timm_layout(keys: list[str]) -> bool:
    """Tell whether these are the parameter names of a timm ConvNeXt."""
    return 'stem.0.weight' in keys and 'stages.0.blocks.0.conv_dw.weight' in keys


def timm_to_transformers_keys(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a timm DINOv3 ConvNeXt state dict for ``DINOv3ConvNextBackbone``.

    Args:
        state_dict: The content of timm's file.

    Returns:
        The same tensors by transformers' names, without the head.
    """
    renamed = {}
    for key, value in state_dict.items():
        if key.startswith('head.'):
            continue
        for pattern, replacement in _RULES:
            key = re.sub(pattern, replacement, key)
        renamed[f'model.{key}'] = value
    return renamed


def config_from_timm_keys(state_dict: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """Read widths and depths of the four stages off a timm ConvNeXt state dict.

    Returns:
        ``DINOv3ConvNextConfig`` arguments ``hidden_sizes`` and ``depths``.
    """
    depths, widths = [0] * 4, [0] * 4
    for key, value in state_dict.items():
        match = re.fullmatch(r'stages\.(\d)\.blocks\.(\d+)\.gamma', key)
        if match:
            stage, block = int(match[1]), int(match[2])
            depths[stage] = max(depths[stage], block + 1)
            widths[stage] = len(value)
    return dict(hidden_sizes=widths, depths=depths)
