"""The config that a checkpoint has in it, read without running it.

mmengine writes configs as Python and reads them by execution; a stranger's checkpoint could run
code that way. What mmengine writes is assignments of literals and ``dict(...)`` only, and nothing
else is accepted here. Building from a config can run code, too: mmengine imports and calls whatever
a ``type`` spells out (``type='os.system'``), some classes of mmdet and mmcv evaluate their
arguments, and file backends import modules from a path. So a config is taken only as far as
:mod:`.embedded_rules` allows, and the model is built without memory before it is built at all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from expalign.limits import LimitExceeded

from .config_text import literal_config
from .dry_build import dry_build
from .embedded_rules import NotAllowed, allowed_part, model_rules, pipeline_rules, visualizer_rules
from .safe_load import refuse_config_code
from .safetensors_file import open_safetensors, read_json_object
from .trust import FLAG, checkpoints_are_trusted

COLLATE_FUNCTIONS = ('pseudo_collate', 'mmengine.pseudo_collate', 'expalign.collate_samples')


def config_of_checkpoint(path: str | Path) -> Config:
    """The parts of a checkpoint's config that predictions are made with.

    Args:
        path: ``.safetensors`` with ``cfg`` in its header, or ``.pth`` as mmengine's runner writes
            it.

    Returns:
        ``model``, ``visualizer``, and of ``test_dataloader`` the pipeline and the collate function.

    Raises:
        UntrustedCheckpointError: the file, or what its config names, could run code.
        ValueError: there is no config, or it is more than data; the message names the file.
    """
    text = _config_text(str(path))
    if not text:
        raise ValueError(f'{path} has no config in it: give the config and the checkpoint')
    try:
        parts = _parts_for_prediction(literal_config(text))
    except LimitExceeded as error:
        raise LimitExceeded(f'the config in {path}: {error}') from error
    except ValueError as error:
        raise ValueError(
            f'the config in {path} cannot be used as data, and is not run: {error}; give the '
            'config as a file of its own') from error
    if checkpoints_are_trusted():
        return Config(parts)
    return Config(_buildable(parts, Path(path), Path(path).stat().st_size))


def config_of_json(path: str | Path, weights: str | Path) -> Config:
    """The same of a JSON file.

    Args:
        path: of the file, as :func:`config_as_data` describes it.
        weights: the file that it comes with; a model as large as this is always accepted.

    Raises:
        UntrustedCheckpointError: what it names could run code, or is a file elsewhere.
        ValueError: it is no such file; the message names it.
        LimitExceeded: it, or the model, is too large.
    """
    path = Path(path)
    try:
        parts = _parts_for_prediction(read_json_object(path))
    except LimitExceeded:
        raise
    except ValueError as error:
        raise ValueError(f'{path} is no config of a detector: {error}') from error
    # JSON has no tuples, and some transforms take sizes as nothing else.
    dataset = parts['test_dataloader']['dataset']
    dataset['pipeline'] = [_with_tuples(transform) for transform in dataset['pipeline']]
    if checkpoints_are_trusted():
        return Config(parts)
    return Config(_buildable(parts, path, Path(weights).stat().st_size))


def config_as_data(cfg: Config, path: str | Path) -> dict[str, Any]:
    """What of a config :func:`config_of_json` needs, in the words that it allows.

    Args:
        cfg: of a detector, as it was before the model was built from it.
        path: of the file to be written, for the message.

    Raises:
        UntrustedCheckpointError: it has more in it than such a file may have.
        ValueError: it lacks a part that predictions need.
    """
    return _allowed(_parts_for_prediction(cfg.to_dict()), Path(path))


def _with_tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_tuples(entry) for key, entry in value.items()}
    return tuple(_with_tuples(entry) for entry in value) if isinstance(value, list) else value


def _buildable(parts: Mapping[str, Any], path: Path, stored: int) -> dict[str, Any]:
    """The parts as far as they are allowed, once it is clear that they can be built."""
    parts = _allowed(parts, path)
    try:
        dry_build(parts['model'], parts['test_dataloader']['dataset']['pipeline'], stored)
    except LimitExceeded as error:
        raise LimitExceeded(f'the model of the config in {path}: {error}') from error
    # Whatever a constructor makes of a stranger's arguments.
    except Exception as error:
        raise ValueError(f'the config in {path} describes no detector that can be built: '
                         f'{type(error).__name__}: {error}') from error
    return parts


def _allowed(parts: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Copies of the parts, without what predictions do not need."""
    folder = path.parent
    loader = parts['test_dataloader']
    try:
        model = allowed_part(parts['model'], '', model_rules(folder), 'model')
        pipeline = allowed_part(loader['dataset']['pipeline'], '', pipeline_rules(folder),
                                'test_dataloader.dataset.pipeline')
        visualizer = allowed_part(
            parts['visualizer'], '', visualizer_rules(folder), 'visualizer')
        _check_collate(loader.get('collate_fn'))
    except NotAllowed as error:
        raise NotAllowed(
            f'the config in {path} {error}. Building it could run code or touch files, and nothing '
            'of it was run. Give the config as a file of its own; or, if you trust its author, '
            f'repeat the command with {FLAG}') from error
    except LimitExceeded as error:
        raise LimitExceeded(f'the config in {path}: {error}') from error
    return dict(model=model, visualizer=dict(visualizer, vis_backends=None),
                test_dataloader=dict(dataset=dict(pipeline=pipeline)))


def _check_collate(function: Any) -> None:
    """Predictions are made with mmengine's default, whatever of these is named."""
    kind = function.get('type') if isinstance(function, Mapping) else function
    if function is not None and kind not in COLLATE_FUNCTIONS:
        raise NotAllowed(f'names the type {kind!r} as collate_fn, which is none of this project')


def _parts_for_prediction(fields: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loader = fields['test_dataloader']
        part = dict(dataset=dict(pipeline=loader['dataset']['pipeline']))
        if 'collate_fn' in loader:
            part['collate_fn'] = loader['collate_fn']
        # Backends of a visualizer log a run; here there is none.
        visualizer = dict(fields['visualizer'], vis_backends=None)
        model = dict(fields['model'])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            'it needs model, visualizer and test_dataloader.dataset.pipeline') from error
    for name, value in (('model', model), ('visualizer', visualizer)):
        if 'type' not in value:
            raise ValueError(f'its {name} has no type')
    return dict(model=model, test_dataloader=part, visualizer=visualizer)


def _config_text(path: str) -> str | None:
    if path.endswith('.safetensors'):
        with open_safetensors(path) as file:
            text = (file.metadata() or {}).get('cfg')
        refuse_config_code(dict(meta=dict(cfg=text)), path)
        return text
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    hub = checkpoint.get('message_hub') or {}
    return hub.get('runtime_info', {}).get('cfg') or checkpoint.get('meta', {}).get('cfg')
