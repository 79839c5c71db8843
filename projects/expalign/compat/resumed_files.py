"""Keeps mmengine's checkpoint hook from removing files of others that a checkpoint names.

The hook takes the path of the best checkpoint from the message hub of the checkpoint that is
resumed, and removes it when a better one comes. Every hook on top of it starts in one method, which
is wrapped.
"""

import functools
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

_MODULE = 'mmengine.hooks.checkpoint_hook'


class OwnFilesLoader(SourceFileLoader):
    """Loads the module of mmengine's checkpoint hook and changes it."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _change(module)


def change_if_imported() -> None:
    """Change a module that was imported before the hook existed."""
    if _MODULE in sys.modules:
        _change(sys.modules[_MODULE])


def _change(module: ModuleType) -> None:
    start = module.CheckpointHook.before_train
    if getattr(start, 'own_files_only', False):
        return

    @functools.wraps(start)
    def before_train(self: Any, runner: Any) -> None:
        from expalign.engine import resumed_files
        resumed_files.forget_what_is_no_number(runner.message_hub.runtime_info)
        start(self, runner)
        resumed_files.forget_foreign_files(self, runner)

    before_train.own_files_only = True
    module.CheckpointHook.before_train = before_train
