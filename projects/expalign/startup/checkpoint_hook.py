"""Keeps mmengine's checkpoint hook from removing files of others that a checkpoint names.

The hook takes the path of the best checkpoint from the message hub of the checkpoint that is
resumed, and removes it when a better one comes. Every hook on top of it starts in one method, which
is wrapped.
"""

import functools
from types import ModuleType
from typing import Any

MODULE = 'mmengine.hooks.checkpoint_hook'


def change(module: ModuleType) -> None:
    """Change mmengine's module, when it is imported or after."""
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
