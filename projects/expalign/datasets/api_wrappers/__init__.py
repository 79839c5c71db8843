"""Readers of annotation files."""

from .named_coco import NamedCategoryCOCO

__all__ = ['NamedCategoryCOCO']
