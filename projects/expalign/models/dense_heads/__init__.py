"""Dense heads."""

from .candidates import select_candidates
from .expalign_head import ExpAlignHead, ExpAlignHeadModule

__all__ = ['ExpAlignHead', 'ExpAlignHeadModule', 'select_candidates']
