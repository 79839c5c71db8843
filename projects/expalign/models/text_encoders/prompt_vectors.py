"""A text encoder that looks prompts up in a file of names and vectors."""

import difflib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor

from expalign.checkpoints.safetensors_file import header_json, open_safetensors
from expalign.registry import MODELS
from expalign.structures.prompts import prompt_key
from expalign.utils import finished_file
from expalign.utils.npz_files import read_arrays

from .token_pooling import SENTENCE

MAX_LISTED = 8


@MODELS.register_module()
class PromptVectorEncoder(BaseModule):
    """One sentence vector per prompt, from a file; L = 1. No network, nothing to train.

    For vocabularies whose vectors were computed elsewhere, e.g. with a CLIP text tower that this
    machine cannot reach. See :func:`read_prompt_vectors` for the file. The vectors are not part
    of the model's state.

    Args:
        vectors: path of the file.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is not of the form described.
    """

    def __init__(self, vectors: str) -> None:
        super().__init__()
        self.source = vectors
        self.names, table = read_prompt_vectors(vectors)
        self.register_buffer('table', table, persistent=False)  # (number of names, D)
        self.out_channels = table.shape[1]
        self._rows = {name: row for row, name in enumerate(self.names)}
        self._rows_by_key: dict[str, int] = {}
        for row, name in enumerate(self.names):
            self._rows_by_key.setdefault(prompt_key(name), row)

    def forward(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Look prompts up.

        Args:
            texts: N prompts of the file; case and white space do not count where the file has
                not the spelling itself. They may repeat.

        Returns:
            tokens (N, 1, D) float32 and token_masks (N, 1), all True.

        Raises:
            ValueError: a prompt is not in the file, or there is none.
        """
        if not texts:
            raise ValueError('PromptVectorEncoder got an empty list of prompts')
        found = {text: self._row_of(text) for text in dict.fromkeys(texts)}
        unknown = [text for text, row in found.items() if row is None]
        if unknown:
            raise ValueError(self._unknown_message(unknown))
        tokens = self.table[[found[text] for text in texts]][:, None]
        return tokens, torch.ones(len(texts), 1, dtype=torch.bool, device=tokens.device)

    def token_strings(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the tokens of prompts as text: each has its sentence vector alone."""
        return [[SENTENCE] for _ in texts]

    def _row_of(self, text: str) -> int | None:
        return self._rows.get(text, self._rows_by_key.get(prompt_key(text)))

    def _unknown_message(self, unknown: list[str]) -> str:
        listed = ', '.join(map(repr, unknown[:MAX_LISTED]))
        more = f' and {len(unknown) - MAX_LISTED} more' if len(unknown) > MAX_LISTED else ''
        close = difflib.get_close_matches(unknown[0], self.names, n=3)
        hint = f' Close to {unknown[0]!r}: {", ".join(map(repr, close))}.' if close else ''
        return (f'{self.source} has no vector for the prompt {listed}{more}; it has '
                f'{len(self.names)} prompts.{hint} Use one of its prompts, or a config with a '
                'text encoder, which takes any text.')


def read_prompt_vectors(path: str) -> tuple[list[str], Tensor]:
    """Names and vectors of a file.

    Args:
        path: ``.npz`` with the arrays ``names`` (n strings) and ``vectors`` (n, D), or
            ``.safetensors`` with the tensor ``vectors`` and, in its header, ``names`` as JSON.

    Returns:
        The names, and the vectors (n, D) as float32.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not of that form, or names a prompt twice.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f'prompt vectors {path} do not exist')
    readers = {'.npz': _read_npz, '.safetensors': _read_safetensors}
    if file.suffix not in readers:
        raise ValueError(f'prompt vectors {path}: expected .npz or .safetensors')
    try:
        names, vectors = readers[file.suffix](file)
    except KeyError as error:
        raise ValueError(
            f'prompt vectors {path}: no {error.args[0]!r} in it; it needs names and vectors'
        ) from error
    if vectors.dim() != 2 or len(vectors) != len(names):
        raise ValueError(
            f'prompt vectors {path}: {len(names)} names and vectors of shape '
            f'{tuple(vectors.shape)} do not belong together')
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f'prompt vectors {path}: {repeated[0]!r} is in it more than once')
    return names, vectors


def write_prompt_vectors(path: str | Path, names: Sequence[str], vectors: Tensor,
                         header: Mapping[str, str] | None = None) -> None:
    """Write what :func:`read_prompt_vectors` reads, as ``.npz`` or ``.safetensors`` by suffix.

    Args:
        path: the file.
        names: n names.
        vectors: (n, D).
        header: what a ``.safetensors`` says besides the names, e.g. source and licence.
    """
    with finished_file(path) as temporary:
        if temporary.suffix == '.npz':
            np.savez(temporary, names=np.asarray(names), vectors=vectors.numpy())
            return
        from safetensors.torch import save_file
        save_file({'vectors': vectors.contiguous()}, temporary,
                  {**(header or {}), 'names': json.dumps(list(names))})


def _read_npz(path: Path) -> tuple[list[str], Tensor]:
    arrays = read_arrays(path, ('names', 'vectors'), 'prompt vectors')
    return arrays['names'].tolist(), torch.from_numpy(arrays['vectors'].astype(np.float32))


def _read_safetensors(path: Path) -> tuple[list[str], Tensor]:
    with open_safetensors(path) as file:
        header = file.metadata() or {}
        if 'vectors' not in file.keys():  # noqa: SIM118
            raise KeyError('vectors')
        vectors = file.get_tensor('vectors').float()
    if 'names' not in header:
        raise KeyError('names')
    names = header_json(header, 'names', path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: 'names' is no list of names")
    return names, vectors
