"""The encoder's tokens of all prompts, pooled as a row of the table asks, and the text adapter.

Axes: N prompts, L tokens of the longest, D width.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from expalign.models.text_encoders.token_pooling import normalize_tokens, pool_tokens

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'distillation'))
from distill.name_tokens import encode_names, read_name_vectors, token_rows  # noqa: E402

FUNCTION_WORDS = frozenset(('a', 'an', 'the', 'of', 'in', 'is', 'that', 'with'))
WORD_WEIGHT, RIDGE = 0.2, 0.01  # of a word beside a sentence; of the penalty, a name
# Expectation over all tokens, the sentence vector alone, the mean of the tokens (Table 5); and
# expectation over the tokens that are no function words.
POOLINGS = ('expectation', 'eot', 'mean', 'content')


class PromptTokens:
    """Tokens (N, L, D) and masks (N, L) of prompts, pooled, by place.

    Args:
        encoder: the frozen text encoder.
        prompts: N distinct texts.
        pooling: one of :data:`POOLINGS`.
    """

    def __init__(self, encoder: nn.Module, prompts: Sequence[str], pooling: str) -> None:
        self.places = {prompt: place for place, prompt in enumerate(prompts)}
        with torch.no_grad():
            tokens, masks = encoder(list(prompts))
        if pooling == 'content':
            masks = masks & ~function_words(encoder, prompts, masks)
            pooling = 'expectation'
        self.tokens, self.masks = pool_tokens(
            tokens.masked_fill(~masks[..., None], 0), masks, pooling)

    def of(self, lists: Sequence[Sequence[str]], adapter: nn.Module) -> tuple[Tensor, ...]:
        """Adapted tokens (B, K, L, E), their masks, and which prompts are there (B, K).

        Args:
            lists: the prompts of B pictures; K is the number of the longest list.
            adapter: a TextAdapter that pools nothing.
        """
        wanted = sorted({self.places[prompt] for prompts in lists for prompt in prompts})
        masks = self.masks[wanted]
        length = int(masks.sum(1).max())
        # Real tokens alone pass through the adapter, in front of each row.
        order = (~masks).int().argsort(dim=1, stable=True)[:, :length]
        tokens = self.tokens[wanted].gather(
            1, order[..., None].expand(-1, -1, self.tokens.shape[2]))
        masks = masks.gather(1, order)
        rows = tokens[masks][:, None]
        adapted = adapter(rows, torch.ones(rows.shape[:2], dtype=torch.bool))[0][:, 0]
        feats = adapted.new_zeros(*masks.shape, adapted.shape[1]).index_put(
            tuple(masks.nonzero().T), adapted)
        number = {place: i for i, place in enumerate(wanted)}
        most = max(map(len, lists))
        index = torch.tensor([[number[self.places[prompt]] for prompt in prompts]
                              + [0] * (most - len(prompts)) for prompts in lists])
        there = torch.tensor([[place < len(prompts) for place in range(most)]
                              for prompts in lists])
        return feats[index], masks[index] & there[..., None], there


def function_words(encoder: nn.Module, prompts: Sequence[str], masks: Tensor) -> Tensor:
    """Which tokens (N, L) are function words; a sentence vector is none."""
    found = torch.zeros_like(masks)
    for row, names in enumerate(encoder.token_strings(prompts)):
        places = masks[row].nonzero()[:, 0].tolist()
        for place, name in zip(places, names, strict=True):
            found[row, place] = name in FUNCTION_WORDS
    return found


def text_map(encoder: nn.Module, vectors: Path) -> Tensor:
    """W (D, E), by which unit tokens of names become the names' vectors, by ridge regression.

    Since <F, t W> = <F W^T, t>, the image side can be turned into the space of the encoder's own
    tokens: there an adapter starts as the identity (paper, Section 4.1), and no word is lost.
    """
    names, targets = read_name_vectors(vectors)
    rows = token_rows(encode_names(encoder, names))
    tokens = normalize_tokens(rows.tokens).double()
    weighted = tokens * torch.where(rows.is_sentence, 1.0, WORD_WEIGHT)[:, None]
    gram = weighted.T @ tokens
    gram.diagonal().add_(RIDGE * len(targets))
    return torch.linalg.solve(gram, weighted.T @ targets[rows.owners].double()).float()
