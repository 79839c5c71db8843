"""Building blocks of the model."""

from .branches import conv_branch
from .expectation_alignment import (
    align_levels,
    expectation_alignment,
    masked_softmax,
    token_weights_from_pooled,
)
from .folded_alignment import TokenTable, embedding_map, fold_tokens, folded_alignment

__all__ = [
    'TokenTable',
    'align_levels',
    'conv_branch',
    'embedding_map',
    'expectation_alignment',
    'fold_tokens',
    'folded_alignment',
    'masked_softmax',
    'token_weights_from_pooled',
]
