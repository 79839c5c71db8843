"""What the ``texts`` of a call mean: the prompts of every image.

:func:`~expalign.structures.prompts.parse_prompts` says what one string or one list is; here are
files, named vocabularies, and several images.
"""

import json
import warnings
from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path

from expalign.structures.prompt_split import warn_of_unsplit
from expalign.structures.prompts import (
    check_everything,
    describe_prompts,
    distinct_prompts,
    flattened,
    parse_prompts,
)
from expalign.structures.token_prompt import TokenPrompt

from .vocabularies import SOURCES, named_vocabulary, near_vocabulary

SUFFIXES = ('.txt', '.json')
TOKENS = '.safetensors'  # prompts that bring their tokens
# Files of class names in other forms: a text that ends so is no prompt.
FOREIGN_SUFFIXES = ('.yaml', '.yml', '.csv', '.names', '.xml', '.py')
MARK = '$:'  # in front of a vocabulary's name, in mmdet's demos

Texts = str | Sequence[str] | Sequence[Sequence[str]]


def read_vocabulary(texts: str | Sequence[str], custom_entities: bool = True) -> list[str]:
    """The prompts of one vocabulary.

    Args:
        texts: a list of prompts; the name of a vocabulary (``'coco'``, ``'o365'``, ``'lvis'``,
            or mmdet's spelling ``'$: coco'``; case does not count); the path of a file, see
            :func:`read_prompt_file`; or a string of prompts. A warning suggests the vocabulary
            that a string nearly names. ``'*'`` alone stands for all names that a model knows. What
            a list may hold beside words: :func:`~expalign.structures.prompts.parse_prompts`.
        custom_entities: whether a string is split into prompts, see
            :func:`~expalign.structures.prompt_split.split_prompts`; False: it is one prompt.

    Raises:
        FileNotFoundError: a string that ends in .txt, .json or .safetensors and names no file.
        TypeError, ValueError: there is no prompt, or something that is not one, or a file of
            another kind.
    """
    if not isinstance(texts, str) or isinstance(texts, TokenPrompt):
        prompts = parse_prompts(texts)
        if len(prompts) == 1 and not isinstance(prompts[0], TokenPrompt):
            warn_of_unsplit(prompts[0], 'give a string, or a list with an entry for each')
            _suggest_vocabulary(prompts[0], in_list=True)
        return check_everything(prompts)
    name = texts.strip().lower()
    if name in SOURCES or texts.startswith(MARK):
        return list(named_vocabulary(name.removeprefix(MARK).strip()))
    if name.endswith((*SUFFIXES, TOKENS)):
        return read_prompt_file(texts.strip())
    if name.endswith(FOREIGN_SUFFIXES) and Path(texts.strip()).expanduser().is_file():
        raise ValueError(f'prompts are not read from {texts}: write them to a .txt file, one a '
                         'line, or to a .json file, a list')
    prompts = parse_prompts(texts, custom_entities)
    if len(prompts) == 1:
        _suggest_vocabulary(prompts[0])
    return check_everything(prompts)


def _suggest_vocabulary(prompt: str, in_list: bool = False) -> None:
    if (near := near_vocabulary(prompt)) is not None and (in_list or prompt != near):
        warnings.warn(f"{prompt!r} is searched for as a word; did you mean the vocabulary "
                      f"{near}? Its classes are texts='{near}'", stacklevel=4)


def understood_prompts(texts: str, custom_entities: bool = True) -> list[str]:
    """The distinct prompts of a command line's text; a line on the screen says how it was read.

    Raises:
        FileNotFoundError, ValueError: see :func:`read_vocabulary`.
    """
    prompts = distinct_prompts(read_vocabulary(texts, custom_entities))
    print(describe_prompts(prompts), flush=True)
    return prompts


_said: set[str] = set()


def say_once(texts: str, prompts: Sequence[str]) -> None:
    """Print how a string was read, the first time that it is given."""
    if texts not in _said:
        _said.add(texts)
        print(describe_prompts(distinct_prompts(prompts)), flush=True)


def read_prompt_file(path: str | Path) -> list[str]:
    """The prompts of a file, which is one vocabulary.

    Args:
        path: ``.txt``: a prompt a line, empty lines do not count. ``.json``: a list of prompts,
            or of lists of synonyms, of which the first is the prompt. ``.safetensors``: prompts
            with their tokens, of :func:`~expalign.checkpoints.prompt_file.save_prompts`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not of that form, or has no prompt; the message names the file.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() == TOKENS:
        from expalign.checkpoints.prompt_file import load_prompts  # beside a runtime's packages
        return list(load_prompts(path))
    if not path.is_file():
        raise FileNotFoundError(f'the file of prompts {path} does not exist')
    try:
        content = path.read_text(encoding='utf-8-sig')
        if path.suffix.lower() == '.json':
            prompts = [_first_synonym(entry) for entry in _json_list(content)]
        else:
            prompts = [line for line in content.splitlines() if line.strip()]
        return parse_prompts(prompts)
    except (ValueError, TypeError) as error:  # JSON and text decoding errors are ValueErrors
        raise ValueError(f'{path}: {error}') from error


def prompts_of_images(
    texts: Texts, num_images: int, custom_entities: bool = True
) -> Iterable[list[str]]:
    """The prompts of every image of a call.

    Args:
        texts: what :func:`read_vocabulary` takes, for all images; or a list of lists, the prompts
            of every image.
        num_images: how many images there are.
        custom_entities: see :func:`read_vocabulary`.

    Returns:
        A list of lists, or one list again and again where all images share it.

    Raises:
        ValueError: a list of lists of another length than the images.
        TypeError: a list of strings and lists mixed.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        return repeat(read_vocabulary(texts, custom_entities))
    texts = flattened(texts) if isinstance(texts, list | tuple) else texts
    strings = [isinstance(entry, str) for entry in texts]
    lists = [isinstance(entry, list | tuple) for entry in texts]
    if all(lists) and texts:
        if len(texts) != num_images:
            raise ValueError(
                f'texts has the prompts of {len(texts)} images, but there are {num_images} images')
        return [check_everything(parse_prompts(entry)) for entry in texts]
    if any(strings) and any(lists):
        raise TypeError(
            'texts mixes strings and lists: give a list of strings, or one list of prompts an '
            'image')
    return repeat(read_vocabulary(texts))


def _json_list(content: str) -> list:
    entries = json.loads(content)
    if not isinstance(entries, list):
        raise ValueError(f'expected a list of prompts, got a {type(entries).__name__}')
    return entries


def _first_synonym(entry: str | list[str]) -> str:
    if isinstance(entry, list):
        if not entry:
            raise ValueError('an empty list of synonyms')
        return entry[0]
    return entry
