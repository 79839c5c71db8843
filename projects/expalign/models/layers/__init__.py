"""Building blocks of the model."""

from .branches import conv_branch
from .exp_momentum_ema import ExpMomentumEMA
from .expectation_alignment import (
    align_levels,
    expectation_alignment,
    masked_softmax,
    token_weights_from_pooled,
)
from .folded_alignment import TokenTable, embedding_map, fold_tokens, folded_alignment

__all__ = [
    'ExpMomentumEMA', 'TokenTable',
    'align_levels',
    'conv_branch',
    'embedding_map',
    'expectation_alignment',
    'fold_tokens',
    'folded_alignment',
    'masked_softmax',
    'token_weights_from_pooled',
]
