"""The tokens of a prompt as text, in the order of the model's text features."""

from collections.abc import Sequence

from torch import nn

from .clip_token_encoder import CLIPTokenEncoder
from .hf_token_encoder import HFTokenEncoder

SENTENCE = '<sentence>'
END_OF_TEXT = '<eot>'
MEAN = '<mean>'
EXACT = '<exact>'


def token_strings(model: nn.Module, prompts: Sequence[str]) -> list[list[str]]:
    """Names of the tokens that the prompts are aligned by.

    The sentence vector that is appended to the tokens of MiniLM or BERT is ``<sentence>``, CLIP's
    end-of-text token ``<eot>``. Where the adapter pools the tokens there is one name a prompt:
    ``<mean>``, or that of the last token. A name whose exact vector the model has is ``<exact>``.

    Args:
        model: an ``ExpAlignDetector``.
        prompts: K prompts.

    Returns:
        K lists, each as long as the prompt has real tokens in ``txt_masks``.
    """
    exact = [model.known_names is not None and model.known_names.knows(prompt)
             for prompt in prompts]
    return [[EXACT] if known else names
            for known, names in zip(exact, _adapted_names(model, prompts), strict=True)]


def _adapted_names(model: nn.Module, prompts: Sequence[str]) -> list[list[str]]:
    """Names of the tokens that encoder and adapter give."""
    encoder = model.text_encoder
    if isinstance(encoder, CLIPTokenEncoder):
        names = [[*words, END_OF_TEXT] for words in _words(encoder, prompts)]
    elif isinstance(encoder, HFTokenEncoder):
        names = [[*words, SENTENCE] for words in _words(encoder, prompts)]
    else:
        names = [[SENTENCE] for _ in prompts]
    pooling = model.text_adapter.token_pooling
    if pooling == 'mean':
        return [[MEAN] for _ in prompts]
    return [row[-1:] for row in names] if pooling == 'eot' else names


def _words(encoder: CLIPTokenEncoder | HFTokenEncoder, prompts: Sequence[str]) -> list[list[str]]:
    """The tokens between the special ones."""
    batch = encoder.tokenize(list(prompts))
    keep = batch['attention_mask'].bool() & ~batch['special_tokens_mask'].bool()
    return [
        [_readable(token) for token in encoder.tokenizer.convert_ids_to_tokens(ids[kept].tolist())]
        for ids, kept in zip(batch['input_ids'], keep, strict=True)]


def _readable(token: str) -> str:
    """Without the marks of words' ends (CLIP) and beginnings (sentencepiece)."""
    return token.replace('</w>', '').replace('\u2581', '')
