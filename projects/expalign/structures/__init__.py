"""What a training batch is made of."""

from .box_cells import box_cells, box_spans
from .drawn_masks import CELL_STRIDE, GRID_STRIDE, draw_masks
from .training_samples import TrainingSamples
from .truth_batch import TruthBatch, instance_cells

__all__ = [
    'CELL_STRIDE', 'GRID_STRIDE', 'TrainingSamples', 'TruthBatch', 'box_cells', 'box_spans',
    'draw_masks', 'instance_cells']
