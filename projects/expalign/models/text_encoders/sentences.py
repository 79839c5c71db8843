"""Sentence vectors of phrases: what a text encoder says of each as a whole.

Axes: n phrases, D width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from expalign.models.utils.pretrained import read_optional_json

from .clip_token_encoder import CLIPTokenEncoder
from .hf_token_encoder import HFTokenEncoder
from .token_encoder import TokenEncoder


def encoder_of(model: str, owner: str) -> TokenEncoder:
    """A frozen encoder by its hub name, folder or ``'package:NAME/SUBFOLDER'``.

    Args:
        model: see above.
        owner: what asks for it, for messages.

    Raises:
        PretrainedModelError: it cannot be had.
    """
    config = read_optional_json(model, 'config.json', owner, 'a local folder') or {}
    kind = CLIPTokenEncoder if config.get('model_type', '').startswith('clip') else HFTokenEncoder
    return kind(model=model, cache_size=0)


@torch.no_grad()
def sentence_vectors(encoder: torch.nn.Module, phrases: Sequence[str]) -> Tensor:
    """Unit vectors (n, D) float32, on the CPU: the last token of each phrase.

    Args:
        encoder: maps phrases to tokens (n, L, D) and masks (n, L), as text encoders do.
        phrases: used as given; all in one batch.
    """
    tokens, masks = encoder(list(phrases))
    last = tokens[torch.arange(len(tokens), device=tokens.device), masks.sum(1) - 1]
    return torch.nn.functional.normalize(last.float(), dim=1).cpu()
