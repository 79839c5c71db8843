"""Sentence vectors of names that are known, in place of the text adapter's tokens."""

from collections.abc import Callable, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from expalign.models.utils.pretrained import PACKAGE_PREFIX, resolve_model_source
from expalign.registry import MODELS
from expalign.structures.name_keys import NameTable

from .prompt_vectors import read_prompt_vectors
from .token_pooling import normalize_tokens

EXACT = '<exact>'
Encode = Callable[[Sequence[str]], tuple[Tensor, Tensor]]


@MODELS.register_module()
class KnownNames(BaseModule):
    """A table of exact vectors; a prompt that is one of its names has that vector as its token.

    A text adapter that was fitted to the vectors of names only comes near to them, and small errors
    of direction shift all scores of a prompt. See :mod:`expalign.structures.name_keys` for
    the spellings of a name. Nothing here is trained, and nothing is part of the model's state.

    Args:
        vectors: a file of :func:`~.prompt_vectors.read_prompt_vectors`, or
            ``'package:NAME/PATH'``, such a file inside an installed package.

    Raises:
        FileNotFoundError: it does not exist.
        PretrainedModelError: the package, or the file in it, does not exist.
        ValueError: it is not of that form.
    """

    def __init__(self, vectors: str) -> None:
        super().__init__()
        path = resolve_model_source(vectors) if vectors.startswith(PACKAGE_PREFIX) else vectors
        names, table = read_prompt_vectors(path)
        self.table = NameTable(names)
        self.register_buffer('vectors', normalize_tokens(table), persistent=False)

    @property
    def names(self) -> list[str]:
        """The names, in the order of :attr:`vectors` (n, D)."""
        return self.table.names

    def knows(self, prompt: str) -> bool:
        """Whether a prompt has a vector here."""
        return self.table.row_of(prompt) is not None

    def token_strings(
        self, texts: Sequence[str], names_of: Callable[[Sequence[str]], list[list[str]]]
    ) -> list[list[str]]:
        """Names of the tokens of N prompts: ``<exact>`` of a known name, or what else says.

        Args:
            texts: N prompts.
            names_of: gives the names of the tokens of prompts.
        """
        return [[EXACT] if self.knows(text) else names
                for text, names in zip(texts, names_of(texts), strict=True)]

    def forward(self, texts: Sequence[str], encode: Encode) -> tuple[Tensor, Tensor]:
        """Text features of prompts.

        Args:
            texts: N prompts.
            encode: gives tokens (n, L, D) and masks (n, L) of the prompts that are not known.

        Returns:
            txt_feats (N, L, D), zero where masked, and txt_masks (N, L) bool. A known name has one
            token, the first.
        """
        rows = [self.table.row_of(text) for text in texts]
        known = [place for place, row in enumerate(rows) if row is not None]
        if not known:
            return encode(texts)
        exact = self.vectors[[rows[place] for place in known]]  # (n, D)
        rest = [place for place, row in enumerate(rows) if row is None]
        if not rest:
            return exact[:, None], exact.new_ones((len(texts), 1), dtype=torch.bool)
        tokens, token_masks = encode([texts[place] for place in rest])
        feats = tokens.new_zeros((len(texts), *tokens.shape[1:]))
        masks = token_masks.new_zeros((len(texts), token_masks.shape[1]))
        feats[rest], masks[rest] = tokens, token_masks
        feats[known, 0], masks[known, 0] = exact.to(feats.dtype), True
        return feats, masks
