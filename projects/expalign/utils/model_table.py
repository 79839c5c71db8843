"""The table of models: ``configs/metafile.yml``, in mmdet's grammar, which mmengine reads too."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).parents[1] / '.mim'
SCHEME = 'expalign://'
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
        made_of: what its weights consist of, where they are made or fetched when asked for.
    """

    name: str
    config: Path
    weights: str | None
    summary: str
    made_of: Mapping[str, Any] | None = None


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
    for row in _table()['Models']:
        weights = row['Weights']
        yield Model(
            row['Name'], FOLDER / row['Config'],
            None if weights == SCHEME + NOT_TRAINED else weights,
            row.get('Metadata', {}).get('Summary', ''), row.get('Made Of'))


def sources() -> dict[str, dict[str, Any]]:
    """Where the weights of others are that models are made of, by the names in ``made_of``."""
    return _table()['Sources']


def _table() -> dict[str, Any]:
    return yaml.safe_load((config_folder() / 'metafile.yml').read_text(encoding='utf-8'))


def find(name: str) -> Model | None:
    """The model of a name, or None."""
    return next((model for model in models() if model.name == name), None)
