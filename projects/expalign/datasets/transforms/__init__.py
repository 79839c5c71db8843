"""Transforms of image, boxes and prompts."""

from .loading import LoadImageFromFile
from .sample_prompts import SamplePrompts

__all__ = ['LoadImageFromFile', 'SamplePrompts']
