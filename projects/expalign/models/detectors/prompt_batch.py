"""Encoded prompts of a batch, whatever mix of prompt counts its images have.

Axes: B images, K prompts (of the image with most), L tokens of the longest prompt, D width.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from expalign.models.layers import TokenTable
from expalign.models.utils.upload import upload

TextEncoder = Callable[[Sequence[str]], tuple[Tensor, Tensor]]


class PromptBatch(NamedTuple):
    """Tokens and masks of a batch.

    Attributes:
        txt_feats: (B or 1, K, L, D); 1 where all images share their prompts.
        txt_masks: (B or 1, K, L) bool, True at real tokens.
        prompt_masks: (B or 1, K) bool, True at prompts that are there and to be scored.
        table: the tokens folded into neck and head, for vocabularies that are kept from image
            to image; see ``EAHNeck.fold_tokens``.
        guides: fixed guides (1, G, D) and their masks (1, G), which gate the pyramid in place of
            the prompts; None where these do.
    """

    txt_feats: Tensor
    txt_masks: Tensor
    prompt_masks: Tensor
    table: TokenTable | None = None
    guides: tuple[Tensor, Tensor] | None = None

    def for_images(self, num_images: int) -> Tensor:
        """The prompt masks as (B, K)."""
        return self.prompt_masks.expand(num_images, -1)


def encode_prompt_lists(
    prompt_lists: Sequence[Sequence[str]],
    score_masks: Sequence[Sequence[bool]],
    encode: TextEncoder,
) -> PromptBatch:
    """Encode each distinct prompt of the batch once and lay the tokens out per image.

    Args:
        prompt_lists: the prompts of every image.
        score_masks: per image and prompt, False where the prompt is not to be scored.
        encode: maps N prompts to tokens (N, L, D) and their masks (N, L).
    """
    distinct = {
        prompt: index for index, prompt in enumerate(
            dict.fromkeys(prompt for prompts in prompt_lists for prompt in prompts))}
    tokens, token_masks = encode(list(distinct))  # (N, L, D), (N, L)
    shared = all(prompts == prompt_lists[0] for prompts in prompt_lists)
    rows = prompt_lists[:1] if shared else prompt_lists
    places = padded([[distinct[prompt] for prompt in prompts] for prompts in rows], -1)
    places = upload(places, tokens.device)  # (B or 1, K), -1 where there is no prompt
    index = places.clamp(min=0)
    return PromptBatch(
        tokens[index],  # (B or 1, K, L, D)
        token_masks[index] & (places >= 0)[..., None],
        upload(padded(score_masks, False), tokens.device))


def padded(rows: Sequence[Sequence[int | bool]], fill: int | bool) -> np.ndarray:
    """Rows as long as the longest of them, long or bool as ``fill`` is."""
    result = np.full((len(rows), max(map(len, rows))), fill)
    for row, values in zip(result, rows, strict=True):
        row[:len(values)] = values
    return result
