"""Digest of an encoder: whether two of them give the same features."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def encoder_fingerprint(weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> str:
    """Digest of an encoder.

    Args:
        weights: its state dict.
        settings: what else the tokens depend on, as JSON can hold it.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
