"""Pictures of what the detector does."""

from .drawing import DRAWING
from .explanation import draw_explanation, save_explanation
from .instances import InstanceVisualizer, draw_instances

__all__ = [
    'DRAWING', 'InstanceVisualizer', 'draw_explanation', 'draw_instances', 'save_explanation']
