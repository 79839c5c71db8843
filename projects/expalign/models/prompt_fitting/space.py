"""Of which image side the tokens of a prompt are."""

import hashlib

import numpy as np
from torch import nn

DIGITS = 16


def prompt_space(model: nn.Module) -> str:
    """A digest of what makes logits of tokens: class-embedding layers, scales and biases.

    Models that agree in it (such as one whose prompts were tuned) take each other's tokens. It is
    of weights in half precision, in which they may have been saved.

    Args:
        model: an :class:`~expalign.models.detectors.ExpAlignDetector`.
    """
    head = model.bbox_head.head_module
    digest = hashlib.sha256()
    for tensor in (*model.neck.folded_tensors(), *head.logit_scales, *head.biases):
        if tensor.is_floating_point():  # not the count of batches
            digest.update(tensor.numpy(force=True).astype(np.float16).tobytes())
    return digest.hexdigest()[:DIGITS]
