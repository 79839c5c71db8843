"""Readers of annotation files for metrics."""

from .named_coco import NamedCategoryCOCO

__all__ = ['NamedCategoryCOCO']
