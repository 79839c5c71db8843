"""The config that a checkpoint has in it, read without running it.

mmengine writes configs as Python and reads them by execution; a stranger's checkpoint could run
code that way. What mmengine writes is assignments of literals and ``dict(...)`` only, and nothing
else is accepted here. Building from a config can run code, too: mmengine imports and calls whatever
a ``type`` spells out (``type='os.system'``), and some classes of mmdet and mmcv evaluate their
arguments. So types must be this project's own, or on a short list.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from safetensors import safe_open

from expalign import registry
from expalign.engine.safe_load import (
    UntrustedCheckpointError,
    literal_config,
    refuse_config_code,
)
from expalign.trust import FLAG, checkpoints_are_trusted

# What configs of this project name besides its own classes; of all arguments, harmless.
OTHER_TYPES = {
    'BN', 'SyncBN', 'GN', 'SiLU', 'ReLU', 'GELU', 'nms', 'pseudo_collate',
    'mmdet.DetDataPreprocessor', 'mmdet.DetLocalVisualizer', 'mmdet.LoadAnnotations',
    'mmdet.PackDetInputs', 'mmyolo.BatchTaskAlignedAssigner', 'mmyolo.LetterResize',
    'mmyolo.YOLOv5KeepRatioResize', 'mmyolo.YOLOv8CSPDarknet'}


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
    except ValueError as error:
        raise ValueError(
            f'the config in {path} cannot be used as data, and is not run: {error}; give the '
            'config as a file of its own') from error
    if not checkpoints_are_trusted():
        allowed = OTHER_TYPES | _own_types()
        for kind in _types(parts):
            if not isinstance(kind, str) or kind not in allowed:
                raise UntrustedCheckpointError(
                    f'the config in {path} names the type {kind!r}, which is none of this project, '
                    'and building it could run code. Nothing of it was run. Give the config as a '
                    f'file of its own; or, if you trust its author, repeat the command with {FLAG}')
    return Config(parts)


def _parts_for_prediction(fields: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loader = fields['test_dataloader']
        part = dict(dataset=dict(pipeline=loader['dataset']['pipeline']))
        if 'collate_fn' in loader:
            part['collate_fn'] = loader['collate_fn']
        # Backends of a visualizer log a run; here there is none.
        visualizer = dict(fields['visualizer'], vis_backends=None)
        return dict(model=fields['model'], test_dataloader=part, visualizer=visualizer)
    except (KeyError, TypeError) as error:
        raise ValueError(
            'it needs model, visualizer and test_dataloader.dataset.pipeline') from error


def _types(value: Any) -> Iterator[Any]:
    """Whatever says of what kind a part is, at any depth."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if key in ('type', '_scope_'):
                yield entry
            else:
                yield from _types(entry)
    elif isinstance(value, list | tuple | set):
        for entry in value:
            yield from _types(entry)


def _own_types() -> set[str]:
    found = set()
    for own in (registry.MODELS, registry.TASK_UTILS, registry.TRANSFORMS):
        own.import_from_location()
        found.update(f'{own.scope}.{name}' for name in own.module_dict)
    return found


def _config_text(path: str) -> str | None:
    if path.endswith('.safetensors'):
        with safe_open(path, framework='pt') as file:
            text = (file.metadata() or {}).get('cfg')
        refuse_config_code(dict(meta=dict(cfg=text)), path)
        return text
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    hub = checkpoint.get('message_hub') or {}
    return hub.get('runtime_info', {}).get('cfg') or checkpoint.get('meta', {}).get('cfg')
