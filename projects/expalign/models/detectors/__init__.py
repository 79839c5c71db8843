"""Detectors."""

from .expalign import ExpAlignDetector
from .prompt_batch import PromptBatch, encode_prompt_lists

__all__ = ['ExpAlignDetector', 'PromptBatch', 'encode_prompt_lists']
