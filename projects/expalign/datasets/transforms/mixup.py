"""Mixup of two images that may have different prompts."""

from mmyolo.datasets.transforms import YOLOv5MixUp

from expalign.registry import TRANSFORMS

from .mix_images import MixImages


@TRANSFORMS.register_module()
class MixUp(MixImages, YOLOv5MixUp):
    """mmyolo's ``YOLOv5MixUp`` with :class:`MixImages`; arguments and keys are mmyolo's."""
