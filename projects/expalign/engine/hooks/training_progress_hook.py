"""How far a training is, at which rate, and how long it still takes, for people who wait."""

import sys
import time

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from expalign.registry import HOOKS


@HOOKS.register_module()
class TrainingProgressHook(Hook):
    """Prints a line after the first step, then every so many seconds, and at the end.

    The rate is that of the steps since the run began, validation included.

    Args:
        seconds: between lines.
    """

    # After what others do before the first step, such as measuring the zero-shot ability.
    priority = 'VERY_LOW'

    def __init__(self, seconds: float = 15.0) -> None:
        self.seconds = seconds

    def before_train(self, runner: Runner) -> None:
        """Start the clock."""
        self._started = self._said = time.monotonic()
        self._first = runner.iter

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Say how far it is, when a line is due."""
        now, done = time.monotonic(), runner.iter + 1
        if done not in (self._first + 1, runner.max_iters) and now - self._said < self.seconds:
            return
        self._said = now
        if is_main_process():
            print(progress_line(
                runner.epoch + 1, runner.max_epochs, done, runner.max_iters,
                now - self._started, done - self._first, float(outputs['loss'])),
                file=sys.stderr, flush=True)


def progress_line(epoch: int, epochs: int, done: int, total: int, elapsed: float, steps: int,
                  loss: float) -> str:
    """``epoch 2 of 10, step 15 of 60, loss 41.2, 0.8 steps a second, 56 s left``.

    Args:
        epoch, epochs: the one that goes on, and all.
        done, total: steps, resumed ones included.
        elapsed: seconds since this process began to train.
        steps: that it took.
        loss: of the last one.
    """
    pace = elapsed / max(steps, 1)
    left = round(pace * (total - done))
    rate = f'{1 / pace:.1f} steps a second' if pace < 1 else f'{pace:.1f} s a step'
    remaining = f'{left // 60} min {left % 60:02d} s' if left >= 60 else f'{left} s'
    return (f'epoch {epoch} of {epochs}, step {done} of {total}, loss {loss:.1f}, {rate}, '
            f'{remaining} left')
