"""Token weights and expected keys of a dense table, in few operations.

By torch's operations, or where Triton and a GPU are by two kernels (:mod:`.alignment_kernels`).
What a kernel finds is compared with the operations once for every kind of input; where it differs
or cannot be compiled (Triton needs a C compiler) that is said once, and the operations remain.

Axes as in :mod:`.folded_alignment`.
"""

from collections.abc import Sequence
from functools import cache
from types import ModuleType

import torch
from mmengine.logging import print_log
from torch import Tensor

from .token_table import TokenTable

TOLERANCE = 0.02  # of the largest value: several roundings to bfloat16; what is wrong is far off


def dense_expectation(
    hidden: Sequence[Tensor], table: TokenTable, tau: float
) -> tuple[Tensor, Tensor]:
    """Weights pi (B, S, K, L), float32, and expected rows (S, B, K, C + 8) in the maps' type."""
    if hidden[0].is_cuda and not torch.is_grad_enabled():
        kernels = _kernels()
        if kernels is not None and kernels.fit(hidden, table) and _agree(
                kernels, hidden, table, tau):
            return kernels.expectation(hidden, table, tau)
    return by_operations(hidden, table, tau)


def by_operations(
    hidden: Sequence[Tensor], table: TokenTable, tau: float
) -> tuple[Tensor, Tensor]:
    """:func:`dense_expectation` by one product for the scores, one softmax, one for the keys."""
    keys, dtype = table.keys, hidden[0].dtype
    levels, prompts, tokens = table.offsets.shape
    scores = torch.baddbmm(
        table.columns, keys, pooled_maps(hidden, keys.dtype).mT, beta=1 / tau, alpha=1 / tau)
    shares = scores.view(levels * prompts, tokens, -1).softmax(1)
    weights = shares.view(levels, prompts, tokens, -1).permute(3, 0, 1, 2)
    values = table.values_in(dtype)
    expected = torch.bmm(shares.mT.to(dtype), values.view(levels * prompts, tokens, -1))
    expected = expected.view(levels, prompts, -1, values.shape[2]).transpose(1, 2)
    return weights if table.complete else weights * table.masks, expected


def pooled_maps(hidden: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Means of the hidden maps, (S, B, C)."""
    return torch.stack([x.mean((2, 3), dtype=dtype) for x in hidden])


@cache
def _kernels() -> ModuleType | None:
    try:
        from . import alignment_kernels
    except ImportError:
        return None
    return alignment_kernels


_compared: dict[tuple, bool] = {}  # whether kernels are right, by kind of input


def _agree(
    kernels: ModuleType, hidden: Sequence[Tensor], table: TokenTable, tau: float
) -> bool:
    """Whether the kernels give what the operations give; compared at the first such input."""
    kind = (hidden[0].device, hidden[0].dtype, hidden[0].stride(1) == 1, table.keys.shape[2],
            table.masks.shape[1])
    if kind not in _compared:
        if hidden[0].is_cuda and torch.cuda.is_current_stream_capturing():
            return False  # nothing can be compared there
        try:
            found = kernels.expectation(hidden, table, tau)
            _compared[kind] = all(map(_close, found, by_operations(hidden, table, tau)))
            reason = 'their values are not those of torch'
        except Exception as error:  # whatever Triton, its compiler and the driver raise
            _compared[kind], reason = False, f'{type(error).__name__}: {error}'
        if not _compared[kind]:
            print_log(f'alignment goes without Triton kernels: {reason}', 'current', level=30)
    return _compared[kind]


def _close(found: Tensor, wanted: Tensor) -> bool:
    found, wanted = found.float(), wanted.float()
    return bool(((found - wanted).abs().amax() <= TOLERANCE * wanted.abs().amax()).item())
