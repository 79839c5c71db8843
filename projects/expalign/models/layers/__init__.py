"""Building blocks of the model."""

from .branches import conv_branch
from .expectation_alignment import (
    expectation_alignment,
    masked_softmax,
    token_weights_from_pooled,
)

__all__ = ['conv_branch', 'expectation_alignment', 'masked_softmax', 'token_weights_from_pooled']
