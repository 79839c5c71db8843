"""Pictures of what the detector does."""

from .drawing import DRAWING
from .explanation import draw_explanation, save_explanation
from .instances import InstanceVisualizer, draw_instances
from .labelled_boxes import draw_labelled_boxes

__all__ = [
    'DRAWING', 'InstanceVisualizer', 'draw_explanation', 'draw_instances', 'draw_labelled_boxes',
    'save_explanation']
