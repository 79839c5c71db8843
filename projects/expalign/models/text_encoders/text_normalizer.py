"""The text adapter of a model whose prompts are used as their encoder made them."""

from mmengine.model import BaseModule
from torch import Tensor

from expalign.registry import MODELS

from .token_pooling import normalize_tokens, pool_tokens


@MODELS.register_module()
class TextNormalizer(BaseModule):
    """L2-normalisation of tokens, without parameters.

    Args:
        token_pooling: ``'expectation'``: every token is kept; ``'eot'``: the last one (EOT or
            sentence vector) takes their place, L' = 1.

    Raises:
        ValueError: an unknown ``token_pooling``.
    """

    def __init__(self, token_pooling: str = 'eot') -> None:
        super().__init__()
        if token_pooling not in ('expectation', 'eot'):
            raise ValueError("TextNormalizer: token_pooling must be 'expectation' or 'eot', got "
                             f'{token_pooling!r}')
        self.token_pooling = token_pooling

    def forward(self, tokens: Tensor, token_masks: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise the tokens of prompts.

        Args:
            tokens: (N, L, D). What masked positions hold does not matter.
            token_masks: (N, L) bool, True at real tokens.

        Returns:
            txt_feats (N, L', D), L2-normalised and zero where masked, and txt_masks (N, L').
        """
        tokens = tokens.masked_fill(~token_masks[..., None], 0)
        tokens, token_masks = pool_tokens(tokens, token_masks, self.token_pooling)
        feats = normalize_tokens(tokens)
        return feats.masked_fill(~token_masks[..., None], 0), token_masks
