"""Detectors."""

from .expalign import ExpAlignDetector
from .partly_trained import PartlyTrainedDetector
from .prompt_batch import PromptBatch, encode_prompt_lists

__all__ = ['ExpAlignDetector', 'PartlyTrainedDetector', 'PromptBatch', 'encode_prompt_lists']
