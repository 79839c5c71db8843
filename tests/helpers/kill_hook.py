"""A hook for tests: the process kills itself as a scheduler or the kernel would."""

import os
import signal

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KillHook(Hook):
    """Sends a signal after the iteration of the environment variable ``KILL_AT_ITERATION``.

    It is SIGKILL, or the number in ``KILL_SIGNAL``.
    """

    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 == int(os.environ.get('KILL_AT_ITERATION', 0)):
            os.kill(os.getpid(), int(os.environ.get('KILL_SIGNAL', signal.SIGKILL)))
