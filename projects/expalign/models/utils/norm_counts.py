"""The counters of batch normalisation layers, in one operation instead of one a layer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


def counting_norms(model: nn.Module) -> list[nn.Module]:
    """The layers that count their batches but do not need the number: they have a momentum."""
    return [part for part in model.modules()
            if type(part) in (nn.BatchNorm1d, nn.BatchNorm2d)
            and part.momentum is not None and part.num_batches_tracked is not None]


@contextmanager
def counted_together(norms: Sequence[nn.Module]) -> Iterator[None]:
    """Count a batch for those of the layers that are in training mode, at the end of a pass.

    Inside, they have no counters: a layer would add to its own, on a GPU with a kernel of its
    own. An error inside leaves the counters as they were.
    """
    counters = [(norm, norm.num_batches_tracked) for norm in norms if norm.training]
    try:
        for norm, _ in counters:
            norm.num_batches_tracked = None
        yield
    finally:
        for norm, counter in counters:
            norm.num_batches_tracked = counter
    if counters:
        torch._foreach_add_([counter for _, counter in counters], 1)
