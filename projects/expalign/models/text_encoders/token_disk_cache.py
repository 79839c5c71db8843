"""Encoded vocabularies on disk, so that a vocabulary is encoded once for all runs.

One safetensors file holds the tokens of one list of prompts from one encoder. Its name is a digest
of both, and it states both inside, so that it can never be taken for another. It appears under
its name only when it is complete; a file that cannot be read, or says something else, is written
anew.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expalign.utils import finished_file

# Fewer prompts are encoded faster than the weights of the encoder are digested.
MIN_PROMPTS = 64


class TokenDiskCache:
    """Tokens of whole vocabularies in a folder.

    Args:
        folder: where the files are; made when the first one is written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, encoder: str, prompts: Sequence[str]) -> Path:
        """The file of a vocabulary.

        Args:
            encoder: digest of everything that the tokens depend on, see
                :func:`~expalign.checkpoints.encoder_fingerprint.encoder_fingerprint`.
            prompts: the vocabulary; its order counts.
        """
        digest = hashlib.sha256(json.dumps([encoder, list(prompts)]).encode())
        return self.folder / f'{digest.hexdigest()[:32]}.safetensors'

    def load(self, encoder: str, prompts: Sequence[str]) -> list[Tensor] | None:
        """The (L_i, D) tokens of every prompt; None where there is no whole file of them."""
        path = self.path(encoder, prompts)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework='pt') as file:
                stated = file.metadata() or {}
                tokens, lengths = file.get_tensor('tokens'), file.get_tensor('lengths').tolist()
        except (SafetensorError, OSError) as error:
            print_log(f'cached prompts {path} cannot be read and are encoded again: {error}',
                      'current', level=30)
            return None
        if stated != _metadata(encoder, prompts) or sum(lengths) != len(tokens):
            print_log(f'cached prompts {path} are of other prompts or another encoder than the '
                      'name says and are encoded again', 'current', level=30)
            return None
        return list(tokens.split(lengths))

    def save(self, encoder: str, prompts: Sequence[str], tokens: Sequence[Tensor]) -> None:
        """Write the tokens (L_i, D) of every prompt; another process may do the same meanwhile."""
        with finished_file(self.path(encoder, prompts)) as temporary:
            save_file(
                dict(tokens=torch.cat([rows.detach().cpu() for rows in tokens]),
                     lengths=torch.tensor([len(rows) for rows in tokens])),
                temporary, metadata=_metadata(encoder, prompts))


def _metadata(encoder: str, prompts: Sequence[str]) -> dict[str, str]:
    return dict(encoder=encoder, prompts=json.dumps(list(prompts)))
