"""Masks of predictions as COCO run-length encodings, whatever form they come in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.structures.mask import encode_mask_results


def mask_rles(masks: Any, index: Sequence[int] | np.ndarray) -> list[dict]:
    """Some of an image's masks as dicts of ``size`` (H, W) and ``counts`` (bytes).

    Args:
        masks: n masks: a sequence of RLE dicts, ``RLEMasks``, or a bool tensor or array
            (n, H, W).
        index: which of them.
    """
    if isinstance(masks, torch.Tensor):
        masks = masks[torch.as_tensor(np.asarray(index, dtype=np.int64))].detach().cpu().numpy()
        return encode_mask_results(masks)
    if isinstance(masks, np.ndarray):
        return encode_mask_results(masks[np.asarray(index, dtype=np.int64)])
    return [_with_bytes(masks[int(i)]) for i in index]


def _with_bytes(rle: dict) -> dict:
    counts = rle['counts']
    return dict(size=list(rle['size']),
                counts=counts.encode() if isinstance(counts, str) else counts)
