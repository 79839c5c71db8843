"""Variants of a computation side by side: time, operations and memory of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.profiler import profile
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from expalign.models.layers import TokenTable

from .timing import interleaved, median, seconds_of

MIB = 2**20


@dataclass(frozen=True)
class Measured:
    """A variant's cost.

    Attributes:
        seconds: of every repeat; repeats of different variants with the same place were neighbours.
        flops: operations of its matrix products and convolutions; a multiply-add counts as two.
        peak: bytes that it held at most at a time, beyond those that were there before.
    """

    seconds: list[float]
    flops: int
    peak: int

    def ratio(self, other: 'Measured') -> float:
        """The median of this variant's time over another's, of neighbouring repeats."""
        return median([a / b for a, b in zip(self.seconds, other.seconds, strict=True)])


def compare(variants: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Measured]:
    """Measure variants that take turns; each is called first for operations, then for memory."""
    counts = {name: (count_flops(call), peak_bytes(call)) for name, call in variants.items()}
    seconds = interleaved(
        {name: lambda call=call: seconds_of(call) for name, call in variants.items()}, repeats)
    return {name: Measured(seconds[name], *counts[name]) for name in variants}


def count_flops(call: Callable[[], object]) -> int:
    """Operations of the matrix products and convolutions of a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def table_bytes(table: TokenTable) -> int:
    """Bytes of the tensors of a folded vocabulary; its keys may be part of its values."""
    storages = [x.untyped_storage() for x in tree_leaves(table) if isinstance(x, Tensor)]
    return sum({x.data_ptr(): x.nbytes() for x in storages}.values())


def peak_bytes(call: Callable[[], object]) -> int:
    """Bytes that a call held at most at a time, beyond those that were there before.

    On a CPU these are the tensors; work space of libraries is not seen.
    """
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(use_kineto=True, profile_memory=True) as profiler:
        call()
    changes = sorted(
        (event.start_ns(), event.nbytes()) for event in profiler.kineto_results.events()
        if event.name() == '[memory]')
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most
