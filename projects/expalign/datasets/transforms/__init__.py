"""Transforms of image, boxes, masks and prompts."""

from .keep_ratio_resize import KeepRatioResize
from .load_instances import LoadInstances
from .loading import LoadImageFromFile
from .mixup import MixUp
from .mosaic import Mosaic
from .pack_instances import PackInstances
from .random_affine import RandomAffine
from .random_flip import RandomFlip
from .sample_prompts import SamplePrompts

__all__ = [
    'KeepRatioResize', 'LoadImageFromFile', 'LoadInstances', 'MixUp', 'Mosaic', 'PackInstances',
    'RandomAffine', 'RandomFlip', 'SamplePrompts']
