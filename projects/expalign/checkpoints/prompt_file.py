"""Prompts with their tokens in a file of some kilobytes: names and numbers, nothing that runs."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from expalign.limits import ARRAY_BYTES
from expalign.structures.prompt_set import PromptSet
from expalign.structures.prompts import parse_prompts
from expalign.structures.token_prompt import TokenPrompt
from expalign.utils import finished_file

from .safetensors_file import header_json, open_safetensors

HEADER = 'expalign_prompts'  # key of the header: names, numbers of tokens, image sides
TOKENS = 'tokens'
SUFFIX = '.safetensors'
NUMBERS = ('F32', 'F16', 'F64')


def save_prompts(prompts: Sequence[TokenPrompt], path: str | Path) -> None:
    """Write prompts with their tokens to a ``.safetensors`` file.

    Args:
        prompts: K prompts, each with another name.
        path: the file.

    Raises:
        TypeError: one is a word, which has no tokens.
        ValueError: the file's name has another ending, or two prompts have one name.
    """
    from safetensors.numpy import save_file
    if Path(path).suffix.lower() != SUFFIX:
        raise ValueError(f'{path}: the name of a file of prompts must end in {SUFFIX}')
    prompts = PromptSet(prompts)
    _check_names(prompts)
    record = dict(names=prompts.names, lengths=[len(prompt.tokens) for prompt in prompts],
                  spaces=[prompt.space for prompt in prompts])
    with finished_file(path) as temporary:
        save_file({TOKENS: np.concatenate([prompt.tokens for prompt in prompts])}, temporary,
                  metadata={HEADER: json.dumps(record)})


def load_prompts(path: str | Path) -> PromptSet:
    """Read what :func:`save_prompts` wrote; torch is not needed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is something else, or damaged; the message names it.
        LimitExceeded: it is larger than a limit allows.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'the file of prompts {path} does not exist')
    ARRAY_BYTES.check(os.path.getsize(path), str(path))
    with open_safetensors(path, framework='numpy') as file:
        header = file.metadata() or {}
        if HEADER not in header or TOKENS not in list(file.keys()):
            raise ValueError(f'{path} has no prompts in it: is it the weights of a model?')
        kind = file.get_slice(TOKENS).get_dtype()
        if kind not in NUMBERS:  # numpy has no bfloat16
            raise ValueError(f'{path}: its tokens are of type {kind}, and not of {NUMBERS}')
        record, tokens = header_json(header, HEADER, path), file.get_tensor(TOKENS)
    try:
        prompts = PromptSet(_prompts(record, tokens))
        _check_names(prompts)
        return prompts
    except (TypeError, ValueError) as error:
        raise ValueError(f'{path}: {error}') from error


def has_prompts(path: str | Path) -> bool:
    """Whether a file is one that :func:`save_prompts` wrote; False where it cannot be read."""
    try:
        with open_safetensors(path, framework='numpy') as file:
            return HEADER in (file.metadata() or {})
    except (OSError, ValueError):
        return False


def _check_names(prompts: PromptSet) -> None:
    # Of one name with other tokens, and names that are no text, are told there.
    if len(set(parse_prompts(prompts))) < len(prompts):
        raise ValueError(f'a prompt is there twice in {prompts.names}')


def _prompts(record: Any, tokens: np.ndarray) -> list[TokenPrompt]:
    """The prompts of a file's record and of its tokens (R, D)."""
    fields = [record.get(key) for key in ('names', 'lengths', 'spaces')] if isinstance(
        record, dict) else [None]
    if not all(isinstance(field, list) for field in fields) or len(set(map(len, fields))) != 1:
        raise ValueError("'names', 'lengths' and 'spaces' are not lists of one length")
    names, lengths, spaces = fields
    if not all(isinstance(text, str) for text in (*names, *spaces)) or not all(
            type(length) is int and length > 0 for length in lengths):
        raise ValueError('its names are no texts, or its numbers of tokens no whole numbers')
    if tokens.ndim != 2 or not names or sum(lengths) != len(tokens):
        raise ValueError(f'{len(names)} prompts with {sum(lengths)} tokens are named, and tokens '
                         f'of shape {tokens.shape} are there')
    parts = np.split(tokens, np.cumsum(lengths)[:-1])
    return [TokenPrompt(*one) for one in zip(names, parts, spaces, strict=True)]
