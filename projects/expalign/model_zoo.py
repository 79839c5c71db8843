"""Names of models. A name is a config and, where they can be had, weights.

The table is ``configs/metafile.yml``, in mmdet's grammar, which mmengine reads too: the names work
in ``DetInferencer(NAME, scope='expalign')`` and in everything of this package that takes a config.
Weights are named ``expalign://KEY``; mmengine's loader asks :func:`checkpoint` for the file.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from expalign.utils.download import Source
from expalign.utils.model_table import (
    NOT_TRAINED,
    SCHEME,
    Model,
    ModelError,
    find,
    models,
    sources,
)

if TYPE_CHECKING:
    from .checkpoints.warm_start import Recipe

DEFAULT = 'expalign-s'


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
        FetchError: what they are made of can be had neither from a file nor from where it is.
    """
    from .checkpoints.warm_start import made_checkpoint
    if address == SCHEME + NOT_TRAINED:
        raise ModelError('this model was not trained here: give a checkpoint of your own')
    named = {model.weights: model for model in models() if model.made_of}
    if address not in named:
        raise ModelError(f'there are no weights {address}; known are {", ".join(named)}')
    return made_checkpoint(_recipe(named[address]))


def megabytes_to_fetch(model: Model) -> int:
    """How much, about, has to be fetched before a model of the table runs here; 0: nothing."""
    from .checkpoints.warm_start import to_fetch
    return to_fetch(_recipe(model)) if model.made_of else 0


def _recipe(model: Model) -> 'Recipe':
    """What a model of the table is made of, with the addresses."""
    from .checkpoints.hub_encoder import HubEncoder
    from .checkpoints.warm_start import Recipe, shipped_part
    known, made_of = sources(), model.made_of
    image = known[made_of['Image Side']]
    encoder = known.get(made_of.get('Text Encoder'))
    return Recipe(
        model.config,
        Source(image['Address'], image['SHA256'], image['Megabytes']) if image else None,
        image.get('Terms', ''), tuple(map(shipped_part, made_of.get('Parts', ()))),
        HubEncoder(encoder['Repository'], tuple(encoder['Files']), encoder['SHA256'],
                   encoder['Megabytes'], encoder['Terms']) if encoder else None)


def _suggestion(name: str) -> str:
    from difflib import get_close_matches
    close = get_close_matches(name, [model.name for model in models()], n=3)
    return f'; did you mean {", ".join(close)}?' if close else ''
