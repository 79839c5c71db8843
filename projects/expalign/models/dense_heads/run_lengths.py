"""COCO's run-length encoding of many masks at once, on the device that they are on.

A run-length encoding (RLE) counts pixels column by column: the first count is of pixels outside
the mask, the next of pixels inside, and so on. Its string has five bits of a number in a character,
and from the fourth count on the difference to the count before the last (pycocotools, maskApi.c).

Axes: n masks, T places where a mask begins or ends.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def changes_in_crops(crops: Tensor, spans: Tensor) -> Tensor:
    """Where, column by column, a mask begins or ends.

    Args:
        crops: (n, w, h + 2) bool, columns of masks, False in the first and the last row and beyond
            an instance's own columns and rows.
        spans: (n, 5) int: column and row of the crop's first pixel in the mask, height of the
            instance's own crop, height of the mask, and 1 where these are the same.

    Returns:
        (n, w, h + 1) bool: [i, x, y] is whether pixel y of column x differs from the one above it;
        a run that goes on at the top of the next column neither ends nor begins.
    """
    changes = crops[..., 1:] != crops[..., :-1]
    ends = spans[:, 2, None, None].expand(-1, crops.shape[1], 1)
    bottom = changes.gather(2, ends)[:, :-1, 0]
    joined = bottom & changes[:, 1:, 0] & spans[:, 4, None].bool()
    changes[:, 1:, 0] ^= joined
    changes[:, :-1].scatter_(2, ends[:, :-1], (bottom ^ joined)[..., None])
    return changes


def places_of_changes(changes: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels of the masks, counted column by column, at which a run begins or has ended.

    Args:
        changes: see :func:`changes_in_crops`.
        spans: the same.

    Returns:
        places (T) and masks (T), both rising.
    """
    rows = changes.shape[2]
    found = changes.flatten().nonzero()[:, 0]
    columns, y = found // rows, found % rows
    owners, x = columns // changes.shape[1], columns % changes.shape[1]
    left, top, _, height, _ = spans[owners].unbind(1)
    return (left + x) * height + top + y, owners


def encode_changes(places: Tensor, owners: Tensor, pixels: Sequence[int]) -> list[bytes]:
    """The ``counts`` strings of n masks, the same as pycocotools makes.

    Args:
        places: (T), see :func:`places_of_changes`.
        owners: (T), the mask of each, rising.
        pixels: n numbers of pixels of the masks.
    """
    masks = len(pixels)
    sizes = torch.tensor(pixels).to(places.device, non_blocking=True)
    numbers = torch.arange(masks + 1, device=places.device)
    starts = torch.searchsorted(owners, numbers)  # (n + 1)
    # Every mask has one count more than changes; the last ends with the mask.
    runs = len(places) + masks
    lasts = starts[1:] + numbers[:-1]
    ends = places.new_zeros(runs)
    ends[torch.arange(len(places), device=places.device) + owners] = places
    ends[lasts] = sizes
    own = torch.repeat_interleave(numbers[:-1], starts.diff() + 1, output_size=runs)
    rank = torch.arange(runs, device=places.device) - starts[own] - own
    counts = ends - ends.roll(1) * (rank > 0)
    deltas = counts - counts.roll(2) * (rank > 2)
    # As many characters as it takes to hold the sign, too.
    bounds = 16 << (5 * torch.arange(6, device=places.device))
    lengths = 1 + torch.bucketize(torch.where(deltas < 0, ~deltas, deltas), bounds, right=True)
    empty = (counts[lasts] == 0) & (rank[lasts] > 0)  # the mask ends with a run of its own
    lengths[lasts] *= ~empty
    stops = lengths.cumsum(0)
    borders = [0, *stops[lasts].tolist()]
    source = torch.repeat_interleave(
        torch.arange(runs, device=places.device), lengths, output_size=borders[-1])
    place = torch.arange(borders[-1], device=places.device) - (stops - lengths)[source]
    characters = (deltas[source] >> (5 * place)) & 31
    characters += 32 * (place < lengths[source] - 1) + 48
    text = characters.to(torch.uint8).numpy(force=True).tobytes()
    return [text[start:stop] for start, stop in zip(borders, borders[1:], strict=False)]
