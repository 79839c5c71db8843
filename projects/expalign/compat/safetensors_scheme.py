"""Lets mmengine's checkpoint loader read ``.safetensors`` files, which it does not know.

Every entry point (runner, ``init_detector``, ``DetInferencer``) goes through that loader, and the
inferencer does so before it builds the model, so the scheme is registered as soon as mmengine's
module is there.
"""

import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

# mmengine tries its patterns in reverse alphabetical order; its own for local paths, '', is last.
LOCAL_SAFETENSORS = r'(?s:.*)\.safetensors$'
_MODULE = 'mmengine.runner.checkpoint'


class RegisteringLoader(SourceFileLoader):
    """Loads mmengine's checkpoint module and registers the scheme in it."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _register(module)


def register_if_imported() -> None:
    """Register the scheme in a module that was imported before the hook existed."""
    if _MODULE in sys.modules:
        _register(sys.modules[_MODULE])


def _register(module: ModuleType) -> None:
    module.CheckpointLoader.register_scheme(LOCAL_SAFETENSORS, load_from_safetensors, force=True)


def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """See :func:`expalign.engine.safetensors_loader.load_from_safetensors`."""
    # Imported here: when the scheme is registered, mmengine itself is still being imported.
    from expalign.engine import safetensors_loader
    return safetensors_loader.load_from_safetensors(filename, map_location)
