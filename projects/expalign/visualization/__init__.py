"""Pictures of what the detector does."""

from .explanation import draw_explanation, save_explanation
from .labelled_boxes import draw_labelled_boxes

__all__ = ['draw_explanation', 'draw_labelled_boxes', 'save_explanation']
