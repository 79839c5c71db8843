"""Data sets; the transforms of their pipelines are in :mod:`expalign.datasets.transforms`."""

from . import transforms
from .text_coco import CocoDataset, Objects365V1Dataset, TextCocoDataset

__all__ = ['CocoDataset', 'Objects365V1Dataset', 'TextCocoDataset', 'transforms']
