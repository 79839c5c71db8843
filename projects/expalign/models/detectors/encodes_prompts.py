"""How a detector makes tokens of prompts, and what gates its pyramid.

Axes: N prompts, L tokens, D width, G guides.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import torch
from mmdet.datasets import CocoDataset
from torch import Tensor, nn

from expalign.models.layers.max_sigmoid import masked_token_mean
from expalign.models.prompt_fitting.space import prompt_space
from expalign.structures.token_prompt import TokenPrompt

from .given_tokens import with_given_tokens

Guides = Literal['prompts', 'fixed']
# Things of every kind and size, which the image side saw most of.
GUIDE_NAMES: tuple[str, ...] = CocoDataset.METAINFO['classes']


class EncodesPrompts(nn.Module):
    """Part of a detector that has encoder, adapter, ``known_names``, neck and head.

    A pyramid that is gated by prompts reads *guides*. ``guides='prompts'``: those of the list that
    is asked for, as the image side was trained; then a prompt's scores depend on its neighbours.
    ``'fixed'``: those of :data:`GUIDE_NAMES`, COCO's, whatever is asked for. A list with
    prompts that bring their tokens is always under the fixed ones, with which these were made.
    """

    def init_guides(self, guides: Guides) -> None:
        """Set what gates the pyramid; to be called by the constructor.

        Raises:
            ValueError: it is none of the two.
        """
        if guides not in get_args(Guides):
            raise ValueError(f'guides must be one of {get_args(Guides)}, got {guides!r}')
        self.guides = guides
        self._fixed_guides: tuple[tuple, tuple[Tensor, Tensor]] | None = None

    def guides_of(self, prompts: Iterable[str]) -> tuple[Tensor, Tensor] | None:
        """Guides (1, G, D) and masks (1, G) for a list of prompts; None: the prompts' own."""
        if self.neck.inject == 'none' or self.guides == 'prompts' and not any(
                isinstance(prompt, TokenPrompt) for prompt in prompts):
            return None
        return self.fixed_guides()

    @torch.no_grad()
    def fixed_guides(self) -> tuple[Tensor, Tensor]:
        """The fixed guides (1, G, D) and their masks (1, G), of the present weights."""
        version = self._kept_weights_version()
        kept = self._fixed_guides  # read once: another thread may replace it
        if kept is None or kept[0] != version:
            kept = self._fixed_guides = version, self.guides_from(GUIDE_NAMES)
        return kept[1]

    @torch.no_grad()
    def guides_from(self, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Names as guides (1, G, D) and their masks (1, G)."""
        guides, guide_masks = masked_token_mean(*self._untuned(names))
        return guides[None], guide_masks[None]

    def _encode_text(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens (N, L, D) and masks (N, L) of prompts, words or not."""
        return with_given_tokens(
            texts, self._encode_words, self.bbox_head.head_module.biases[0],
            self.neck.embed_dims, lambda: prompt_space(self))

    def _encode_words(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        feats, masks = self._untuned(texts)
        return self.tune(feats, masks, texts), masks

    def _untuned(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        if self.known_names is None:
            return self._adapted(texts)
        return self.known_names(texts, self._adapted)

    def _adapted(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        return self.text_adapter(*self.text_encoder(texts))

    def _check_known_names(self) -> None:
        if self.known_names is None:
            return
        width = self.known_names.vectors.shape[1]
        if width != self.neck.embed_dims:
            raise ValueError(f'the vectors of known_names are {width} wide, and the neck aligns '
                             f'{self.neck.embed_dims}: they are of another text space')

    def _check_adapter_is_reached(self) -> None:
        if self.known_names is not None and any(
                parameter.requires_grad for parameter in self.text_adapter.parameters()):
            raise ValueError(
                'the text adapter is trained, but names of known_names do not pass through it: '
                'set model.known_names=None to train it, or freeze the adapter')
