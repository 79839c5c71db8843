"""Outputs of the network that are no numbers: counted on the device, refused with the image.

A score that is NaN is above no threshold, so that a damaged model would find little or nothing
without an error. Axes: B images, K prompts, N priors.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class NonFinitePrediction(ValueError):
    """The network's outputs for an image are NaN or infinite."""


def count_non_finite(
    logits: Tensor, boxes: Tensor, prompt_masks: Tensor, others: Sequence[Tensor] = ()
) -> Tensor:
    """How much of each image's outputs is not finite, (B, 3), without a wait for the device.

    Args:
        logits: (B, K, N).
        boxes: (B, N, 4).
        prompt_masks: (B, K) bool; other prompts are not looked at.
        others: further outputs, each (B, ...).

    Returns:
        numbers of boxes, of prompts with such a score, and of ``others``.
    """
    # A sum is finite only where all its terms are; nothing of the size of the logits is made.
    sums = logits.sum(2, dtype=torch.promote_types(logits.dtype, torch.float32))
    rest = torch.zeros_like(prompt_masks[:, 0], dtype=torch.long)
    for other in others:
        rest = rest + ~other.flatten(1).sum(1, dtype=torch.float32).isfinite()
    return torch.stack([
        (~boxes.sum(2).isfinite()).sum(1), (~sums.isfinite() & prompt_masks).sum(1), rest], 1)


def refuse_non_finite(
    counts: np.ndarray, num_boxes: int, num_prompts: int, metas: Sequence[dict]
) -> None:
    """Raise for the first image with outputs that are not finite.

    Args:
        counts: (B, 3), of :func:`count_non_finite`.
        num_boxes: N.
        num_prompts: K.
        metas: of the images, for their names.

    Raises:
        NonFinitePrediction: with the image, and how much of what is wrong.
    """
    for (boxes, prompts, others), meta in zip(counts.astype(int).tolist(), metas, strict=True):
        if boxes or prompts or others:
            name = meta.get('img_path') or f'id {meta.get("img_id")!r}'
            masks = ', and its masks are not either' if others else ''
            raise NonFinitePrediction(
                f'image {name}: {boxes:,} of {num_boxes:,} predicted boxes and the scores of '
                f'{prompts:,} of {num_prompts:,} prompts are not finite (NaN or infinite){masks}. '
                'Weights or image are damaged, or half precision overflowed')
