"""Residual adapter between a text encoder and the alignment.

Axis letters: N prompts, L tokens per prompt, D embedding width.
"""

from mmengine.model import BaseModule
from torch import Tensor, nn

from expalign.models.layers.swiglu import SwiGLU
from expalign.registry import MODELS

from .token_pooling import normalize_tokens, pool_tokens


@MODELS.register_module()
class TextAdapter(BaseModule):
    """``normalize(proj(t + SwiGLU(t)))`` with ``t = normalize(token)``.

    The feed-forward network starts at zero, so the adapter starts as the identity on normalised
    tokens. It has 6 D^2 + 5 D parameters for an encoder of width D: 3,542,784 for the 768 of CLIP
    ViT-L/14. Norms are taken in float32 at least, under autocast too.

    Args:
        in_channels: Width of the encoder's tokens.
        out_channels: Width of the embedding space. Where it differs, one projection without bias
            precedes the second normalisation. It starts (semi-)orthogonal: a widening one keeps
            every angle between tokens, a narrowing one keeps them in expectation, so the
            encoder's notion of similarity is there from the first iteration.
        token_pooling: ``'expectation'``: every token is kept. ``'mean'``: the mean of the raw
            tokens, ``'eot'``: the last one (EOT or sentence vector) takes their place, L' = 1
            (Table 5).

    Raises:
        ValueError: An unknown ``token_pooling``.
    """

    def __init__(self, in_channels: int, out_channels: int | None = None,
                 token_pooling: str = 'expectation') -> None:
        super().__init__()
        if token_pooling not in ('expectation', 'mean', 'eot'):
            raise ValueError("TextAdapter: token_pooling must be 'expectation', 'mean' or 'eot', "
                             f'got {token_pooling!r}.')
        self.in_channels = in_channels
        self.out_channels = out_channels or in_channels
        self.token_pooling = token_pooling
        self.ffn = SwiGLU(in_channels)
        self.proj = nn.Identity()
        if self.out_channels != in_channels:
            self.proj = nn.Linear(in_channels, self.out_channels, bias=False)
            nn.init.orthogonal_(self.proj.weight)

    def forward(self, tokens: Tensor, token_masks: Tensor) -> tuple[Tensor, Tensor]:
        """Adapt the tokens of prompts.

        Args:
            tokens: (N, L, in_channels). What masked positions hold does not matter.
            token_masks: (N, L) bool, True for real tokens.

        Returns:
            txt_feats: (N, L', out_channels), L2-normalised, zero where masked.
            txt_masks: (N, L') bool. L' is 1 for 'mean' and 'eot', else L.
        """
        tokens = tokens.masked_fill(~token_masks[..., None], 0)
        tokens, token_masks = pool_tokens(tokens, token_masks, self.token_pooling)
        tokens = normalize_tokens(tokens)
        feats = normalize_tokens(self.proj(tokens + self.ffn(tokens)))
        # The biases of a trained network make padding non-zero again.
        return feats.masked_fill(~token_masks[..., None], 0), token_masks
