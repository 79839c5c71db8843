"""Triton kernels of the small steps of folded alignment: two instead of seven operations.

Imported where Triton is (:mod:`.dense_expectation` asks for it). ``TRITON_INTERPRET=1`` runs them
on a CPU.

Axes as in :mod:`.folded_alignment`: S levels, B images, K prompts, L tokens, C width of the hidden
maps; N cells of a level.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .token_table import CONSTANTS, TokenTable

LEVELS = 3
CHANNELS, CELLS = 16, 256  # of a tile of the means: 32 bytes of a cell in channels-last maps
LARGEST_TILE = 2**15  # tokens x channels that one program holds


@triton.jit(do_not_specialize=['n0', 'n1', 'n2', 'width', 'image_0', 'image_1', 'image_2'])
def _means(x0, x1, x2, out, n0, n1, n2, width, image_0, image_1, image_2, channel_0, channel_1,
           channel_2, cell_0, cell_1, cell_2, channels: tl.constexpr, cells: tl.constexpr):
    """Means over the cells of some channels of one image of one level; out is (S, B, C)."""
    level, image = tl.program_id(2), tl.program_id(1)
    x, n, by_image, by_channel, by_cell = x0, n0, image_0, channel_0, cell_0
    if level == 1:
        x, n, by_image, by_channel, by_cell = x1, n1, image_1, channel_1, cell_1
    if level == 2:
        x, n, by_image, by_channel, by_cell = x2, n2, image_2, channel_2, cell_2
    rows = tl.program_id(0) * channels + tl.arange(0, channels)
    x += image.to(tl.int64) * by_image
    total = tl.zeros([channels, cells], tl.float32)
    for start in range(0, n, cells):
        columns = start + tl.arange(0, cells)
        places = rows[:, None].to(tl.int64) * by_channel + columns[None, :].to(tl.int64) * by_cell
        inside = (rows < width)[:, None] & (columns < n)[None, :]
        total += tl.load(x + places, mask=inside, other=0).to(tl.float32)
    place = (level * tl.num_programs(1) + image) * width
    tl.store(out + place + rows, tl.sum(total, 1) / n, mask=rows < width)


@triton.jit(do_not_specialize=['images', 'tokens', 'width'])
def _expectation(means, values, offsets, masks, weights, expected, images, tokens, width, sharpness,
                 places: tl.constexpr, channels: tl.constexpr, constants: tl.constexpr):
    """Weights (B, S, K, L) and expected rows (S, B, K, C + constants) of one prompt of a level.

    Its rows of the table are read once for all images.
    """
    prompt, level = tl.program_id(0), tl.program_id(1)
    prompts, levels = tl.num_programs(0), tl.num_programs(1)
    row = width + constants
    token, channel = tl.arange(0, places), tl.arange(0, channels)
    behind = tl.arange(0, constants)
    real, within = token < tokens, channel < width
    first = (level * prompts + prompt) * tokens
    rows = values + (first + token).to(tl.int64)[:, None] * row
    keys = tl.load(rows + channel[None, :], mask=real[:, None] & within[None, :], other=0)
    shifts = tl.load(rows + width + behind[None, :], mask=real[:, None], other=0)
    offset = tl.load(offsets + first + token, mask=real, other=float('-inf'))
    counts = tl.load(masks + prompt * tokens + token, mask=real, other=0) != 0
    for image in range(images):
        place = level * images + image
        mean = tl.load(means + place * width + channel, mask=within, other=0)
        scores = (tl.sum(keys * mean[None, :], 1) + offset) * sharpness
        shares = tl.exp(scores - tl.max(scores, 0))
        shares = shares / tl.sum(shares, 0)
        target = expected + (place.to(tl.int64) * prompts + prompt) * row
        kind = expected.dtype.element_ty
        tl.store(target + channel, tl.sum(keys * shares[:, None], 0).to(kind), mask=within)
        tl.store(target + width + behind, tl.sum(shifts * shares[:, None], 0).to(kind))
        target = weights + ((image * levels + level).to(tl.int64) * prompts + prompt) * tokens
        tl.store(target + token, tl.where(counts, shares, 0.0), mask=real)


def fit(hidden: Sequence[Tensor], table: TokenTable) -> bool:
    """Whether the kernels are made for such maps and tables."""
    tile = (triton.next_power_of_2(table.masks.shape[1])
            * triton.next_power_of_2(table.keys.shape[2]))
    return len(hidden) <= LEVELS and tile <= LARGEST_TILE and table.values.dtype == torch.float32


def expectation(hidden: Sequence[Tensor], table: TokenTable, tau: float) -> tuple[Tensor, Tensor]:
    """Token weights and expected rows, as :func:`.dense_expectation.by_operations` gives them.

    Args:
        hidden: X of every level, (B, C, H_s, W_s), contiguous or channels last.
        table: dense.
        tau: softmax temperature, > 0.

    Returns:
        weights: (B, S, K, L), float32.
        expected: (S, B, K, C + 8) in the type of the maps.
    """
    maps = [x.flatten(2) for x in hidden]
    images, width = maps[0].shape[:2]
    levels, prompts, tokens = table.offsets.shape
    three = (*maps, *maps[-1:] * (LEVELS - levels))
    means = table.values.new_empty(levels, images, width)
    _means[triton.cdiv(width, CHANNELS), images, levels](
        *three, means, *(x.shape[2] for x in three), width,
        *(x.stride(axis) for axis in range(3) for x in three), channels=CHANNELS, cells=CELLS)
    weights = table.values.new_empty(images, levels, prompts, tokens)
    expected = maps[0].new_empty(levels, images, prompts, width + CONSTANTS)
    places, channels = (triton.next_power_of_2(size) for size in (tokens, width))
    _expectation[prompts, levels](
        means, table.values, table.offsets, table.masks, weights, expected, images, tokens, width,
        1 / tau, places=places, channels=channels, constants=CONSTANTS,
        num_warps=8 if places * channels > LARGEST_TILE // 4 else 4)
    return weights, expected
