"""Mosaic of four images that may have different prompts."""

from mmyolo.datasets.transforms import Mosaic as MMYOLOMosaic

from expalign.registry import TRANSFORMS

from .mix_images import MixImages


@TRANSFORMS.register_module()
class Mosaic(MixImages, MMYOLOMosaic):
    """mmyolo's mosaic with :class:`MixImages`; arguments and keys are mmyolo's."""
