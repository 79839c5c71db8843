"""Building blocks of the model."""

from .branches import conv_branch
from .exp_momentum_ema import ExpMomentumEMA
from .expectation_alignment import (
    align_levels,
    expectation_alignment,
    masked_softmax,
    token_weights_from_pooled,
)
from .folded_alignment import FoldedMaps, folded_alignment
from .token_table import TokenTable, embedding_map, fold_tokens

__all__ = [
    'ExpMomentumEMA', 'FoldedMaps', 'TokenTable',
    'align_levels',
    'conv_branch',
    'embedding_map',
    'expectation_alignment',
    'fold_tokens',
    'folded_alignment',
    'masked_softmax',
    'token_weights_from_pooled',
]
