"""Prompts that bring their tokens beside prompts of words.

Axes: N prompts, L tokens of the longest prompt, D width.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from expalign.structures.token_prompt import TokenPrompt

from .prompt_batch import TextEncoder


def with_given_tokens(
    texts: Sequence[str], encode: TextEncoder, like: Tensor, width: int, space: Callable[[], str],
) -> tuple[Tensor, Tensor]:
    """Tokens of prompts: their own where they bring them, else what ``encode`` makes of words.

    Args:
        texts: N prompts.
        encode: gives tokens (n, L, D) and masks (n, L) of words; not called where there are none.
        like: of the type and device of the result.
        width: D.
        space: gives the model's :func:`~expalign.models.prompt_fitting.space.prompt_space`.

    Returns:
        txt_feats (N, L, D), zero where masked, and txt_masks (N, L) bool.

    Raises:
        ValueError: tokens are of another width, or of another model.
    """
    given = {place: text for place, text in enumerate(texts) if isinstance(text, TokenPrompt)}
    if not given:
        return encode(texts)
    check_tokens(list(given.values()), width, space)
    parts = {place: torch.tensor(text.tokens, dtype=like.dtype, device=like.device)
             for place, text in given.items()}
    words = [place for place in range(len(texts)) if place not in given]
    if words:
        feats, masks = encode([texts[place] for place in words])
        parts |= {place: feats[row, masks[row]].to(like) for row, place in enumerate(words)}
    length = max(map(len, parts.values()))
    txt_feats = like.new_zeros(len(texts), length, width)
    txt_masks = torch.zeros(len(texts), length, dtype=torch.bool, device=like.device)
    for place, tokens in parts.items():
        txt_feats[place, :len(tokens)] = tokens
        txt_masks[place, :len(tokens)] = True
    return txt_feats, txt_masks


def check_tokens(prompts: Sequence[TokenPrompt], width: int, space: Callable[[], str]) -> None:
    """Refuse tokens that another model was made for; the message names the prompt.

    Raises:
        ValueError: see above.
    """
    own = space() if any(prompt.space for prompt in prompts) else ''
    for prompt in prompts:
        if prompt.tokens.shape[1] != width or prompt.space not in ('', own):
            raise ValueError(
                f'the tokens of the prompt {str(prompt)!r} are of another model: '
                f'{prompt.tokens.shape[1]} numbers wide, of image side {prompt.space or "unknown"};'
                f' this one takes {width}, of {own or "any"}. Make them anew with this model')
