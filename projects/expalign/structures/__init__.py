"""What a training batch is made of."""

from .drawn_masks import CELL_STRIDE, GRID_STRIDE, draw_masks
from .training_samples import TrainingSamples
from .truth_batch import TruthBatch

__all__ = ['CELL_STRIDE', 'GRID_STRIDE', 'TrainingSamples', 'TruthBatch', 'draw_masks']
