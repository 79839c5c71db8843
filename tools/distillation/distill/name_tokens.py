"""Vectors of names from a file, and the encoder's tokens of their prompts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from expalign.utils.npz_files import read_arrays

from .refine import NameBank
from .ridge_fit import TokenRows

TEMPLATES = ('{}', 'a {}', 'the {}', 'a photo of a {}')


def read_name_vectors(path: str | Path) -> tuple[list[str], Tensor]:
    """Names and float32 unit vectors (N, E) of an ``.npz`` with ``names`` and ``vectors``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it lacks an array, or they do not belong together.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'name vectors {path} do not exist')
    arrays = read_arrays(path, ('names', 'vectors'), 'name vectors')
    missing = {'names', 'vectors'} - set(arrays)
    if missing:
        raise ValueError(f'name vectors {path}: no {sorted(missing)[0]!r} in it')
    names = arrays['names'].tolist()
    vectors = torch.from_numpy(arrays['vectors'].astype(np.float32))
    if vectors.dim() != 2 or len(names) != len(vectors):
        raise ValueError(
            f'name vectors {path}: {len(names)} names and vectors of shape {tuple(vectors.shape)}')
    return names, torch.nn.functional.normalize(vectors, dim=1)


def encode_names(
    encoder: nn.Module, names: Sequence[str], templates: Sequence[str] = TEMPLATES
) -> NameBank:
    """Tokens of every name in every template."""
    encoded = [encoder([template.format(name) for name in names]) for template in templates]
    return NameBank(tuple(t for t, _ in encoded), tuple(m for _, m in encoded))


def token_rows(bank: NameBank) -> TokenRows:
    """The real tokens of a bank as rows; a prompt's last one is its sentence vector."""
    tokens, owners, last = [], [], []
    for feats, masks in zip(bank.tokens, bank.masks, strict=True):
        tokens.append(feats[masks])
        owners.append(masks.nonzero()[:, 0])
        ends = masks & (masks.cumsum(dim=1) == masks.sum(dim=1, keepdim=True))
        last.append(ends[masks])
    return TokenRows(torch.cat(tokens), torch.cat(owners), torch.cat(last))
