"""Makes mmengine's checkpoint loader safe; it reads ``.safetensors`` files and ``expalign://``.

Every entry point (runner, ``init_detector``, ``DetInferencer``) goes through that loader, and the
inferencer does so before it builds the model, so both are done as soon as mmengine's module is
there. All of its routes (local files, addresses, object stores, model zoos) end in one of two
functions that unpickle, and these two are exchanged.
"""

import functools
import os
from types import ModuleType
from typing import Any

# mmengine tries its patterns in reverse alphabetical order; its own for local paths, '', is last.
LOCAL_SAFETENSORS = r'(?s:.*)\.safetensors$'
MODULE = 'mmengine.runner.checkpoint'


def change(module: ModuleType) -> None:
    """Change mmengine's module, when it is imported or after."""
    module.CheckpointLoader.register_scheme(LOCAL_SAFETENSORS, load_from_safetensors, force=True)
    module.CheckpointLoader.register_scheme('expalign://', load_named, force=True)
    for name, replacement in (('_safe_torch_load', load_torch_file), ('load_url', load_torch_url)):
        if name not in vars(module):
            raise ImportError(
                f'{MODULE} has no {name}: this version of mmengine loads checkpoints otherwise '
                'than the one that expalign makes safe; install the version of requirements.txt')
        setattr(module, name, replacement)
    _take_paths(module.CheckpointLoader)


def _take_paths(loader: type) -> None:
    """Let the loader take a :class:`pathlib.Path`, which its patterns cannot match."""
    load = loader.load_checkpoint.__func__
    if getattr(load, 'takes_paths', False):
        return

    @functools.wraps(load)
    def load_checkpoint(cls: type, filename: Any, *args: Any, **kwargs: Any) -> Any:
        return load(cls, os.fspath(filename), *args, **kwargs)

    load_checkpoint.takes_paths = True
    loader.load_checkpoint = classmethod(load_checkpoint)


# Imported below: when mmengine's module is changed, mmengine itself is still being imported.
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """See :func:`expalign.checkpoints.safetensors_loader.load_from_safetensors`."""
    from expalign.checkpoints import safetensors_loader
    return safetensors_loader.load_from_safetensors(filename, map_location)


def load_named(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Weights by name, see :func:`expalign.model_zoo.checkpoint`."""
    from expalign.model_zoo import checkpoint
    return load_from_safetensors(str(checkpoint(filename)), map_location)


def load_torch_file(file: Any, map_location: Any = None, weights_only: Any = None) -> Any:
    """See :mod:`expalign.checkpoints.safe_load`; ``weights_only`` does not count."""
    from expalign.checkpoints import safe_load
    return safe_load.load_torch_file(file, map_location)


def load_torch_url(url: str, **options: Any) -> Any:
    """See :func:`expalign.checkpoints.safe_load.load_torch_url`."""
    from expalign.checkpoints import safe_load
    return safe_load.load_torch_url(url, **options)
