"""Image encoders: (B, 3, H, W) to maps at strides 8, 16 and 32."""

from .dinov3_convnext import DINOv3ConvNeXt
from .efficientnet_lite import EfficientNetLite
from .timm_keys import timm_to_transformers_keys

__all__ = ['DINOv3ConvNeXt', 'EfficientNetLite', 'timm_to_transformers_keys']
