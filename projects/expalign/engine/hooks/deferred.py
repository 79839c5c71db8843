"""Values of training that stay on the device until the log is written."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner
from torch import Tensor


def read_together(outputs: Sequence[dict[str, Any]]) -> None:
    """Put numbers in the place of all tensors of one element; they come in one copy."""
    places = [(part, name) for part in outputs for name, value in part.items()
              if isinstance(value, Tensor)]
    if not places:
        return
    values = [part[name].detach() for part, name in places]
    dtype = torch.promote_types(torch.float32, max(
        (value.dtype for value in values), key=lambda kind: kind.itemsize))
    values = [value.to(values[0].device, dtype).reshape(()) for value in values]
    for (part, name), number in zip(places, torch.stack(values).tolist(), strict=True):
        part[name] = number


def is_reading_iter(hook: Hook, runner: Runner, batch_idx: int, first: int) -> bool:
    """Whether the device is read in this iteration.

    That is where mmengine's hook writes a line, at the end of an epoch and of the run, and in
    iteration ``first``, with which the run begins.
    """
    interval = next((h.interval for h in runner.hooks if isinstance(h, LoggerHook)), 1)
    return (runner.iter == first or hook.every_n_inner_iters(batch_idx, interval)
            or hook.end_of_epoch(runner.train_dataloader, batch_idx)
            or hook.is_last_train_iter(runner))
