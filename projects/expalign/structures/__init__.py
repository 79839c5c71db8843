"""What a training batch is made of, and what travels with a model."""

from .box_cells import box_cells, box_spans
from .drawn_masks import CELL_STRIDE, GRID_STRIDE, draw_masks
from .exclusive_boxes import box_iou, exclusive_boxes
from .known_classes import KNOWN_CLASSES, KnownClasses
from .training_samples import TrainingSamples
from .truth_batch import TruthBatch, instance_cells

__all__ = [
    'CELL_STRIDE', 'GRID_STRIDE', 'KNOWN_CLASSES', 'KnownClasses', 'TrainingSamples', 'TruthBatch',
    'box_cells', 'box_iou', 'box_spans', 'draw_masks', 'exclusive_boxes', 'instance_cells']
