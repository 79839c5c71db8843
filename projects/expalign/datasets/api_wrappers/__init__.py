"""Readers of annotation files."""

from .lvis_coco import LVISCOCO
from .named_coco import NamedCategoryCOCO

__all__ = ['LVISCOCO', 'NamedCategoryCOCO']
