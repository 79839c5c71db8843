"""Transforms of image, boxes, masks and prompts."""

from .load_instances import LoadInstances
from .loading import LoadImageFromFile
from .pack_instances import PackInstances
from .random_affine import RandomAffine
from .sample_prompts import SamplePrompts

__all__ = ['LoadImageFromFile', 'LoadInstances', 'PackInstances', 'RandomAffine', 'SamplePrompts']
