"""Instance masks of an image in COCO's run-length encoding, in ``pred_instances.masks``.

A run-length encoding (RLE) counts pixels column by column: the first count is of pixels outside
the mask, the next of pixels inside, and so on. A mask of 12 million pixels is a few kilobytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import pycocotools.mask as coco_mask
import torch


class RLE(dict):
    """One mask in COCO's form: ``size`` (H, W) and ``counts`` (bytes).

    Other keys than strings index the (H, W) array that it stands for, so that mmdet's
    ``encode_mask_results`` accepts it, without a list of decoded masks being made.
    """

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else coco_mask.decode(self)[key]


class RLEMasks(Sequence[RLE]):
    """The n masks of an image.

    An integer index and iteration give an :class:`RLE`; a slice gives ``RLEMasks``. With
    :meth:`cat` this is what mmengine's ``InstanceData`` needs to select instances. The other
    methods have the names that mmdet calls on tensors (dump, inferencer, visualizer); whoever
    wants arrays uses :meth:`to_ndarray`, best after selecting few instances.

    Args:
        rles: COCO RLE dicts of one size.
        size: height and width in pixels.
    """

    def __init__(self, rles: Iterable[dict], size: tuple[int, int]) -> None:
        self.rles = [RLE(rle) for rle in rles]
        height, width = size
        self.size = height, width

    def __len__(self) -> int:
        return len(self.rles)

    def __iter__(self) -> Iterator[RLE]:
        return iter(self.rles)

    @overload
    def __getitem__(self, index: int) -> RLE: ...

    @overload
    def __getitem__(self, index: slice) -> 'RLEMasks': ...

    def __getitem__(self, index: Any) -> 'RLE | RLEMasks':
        found = self.rles[index]
        return found if isinstance(found, RLE) else RLEMasks(found, self.size)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({len(self)} masks, {self.size[1]} x {self.size[0]} pixels)'

    @staticmethod
    def cat(parts: Sequence['RLEMasks']) -> 'RLEMasks':
        """One object with the masks of all ``parts``, which are of one image."""
        return RLEMasks([rle for part in parts for rle in part.rles], parts[0].size)

    def to_ndarray(self) -> np.ndarray:
        """(n, H, W) bool; n * H * W bytes."""
        masks = np.zeros((len(self), *self.size), dtype=bool)
        for mask, rle in zip(masks, self.rles, strict=True):
            mask[:] = coco_mask.decode(rle)
        return masks

    def astype(self, dtype: np.dtype | type) -> np.ndarray:
        """(n, H, W) array of ``dtype``; mmdet's visualizer asks for bool."""
        return self.to_ndarray().astype(dtype, copy=False)

    def numpy(self) -> 'RLEMasks':
        """Itself: mmdet's dump encodes what this returns, mask by mask."""
        return self

    def cpu(self) -> torch.Tensor:
        """(n, H, W) bool tensor; mmdet's inferencer asks for it where no box was found."""
        return torch.from_numpy(self.to_ndarray())


def encode_crop(crop: np.ndarray, left: int, top: int, size: tuple[int, int]) -> RLE:
    """RLE of a mask that is empty outside of a crop, from the crop alone.

    Args:
        crop: (h, w) bool.
        left: column of the crop's first pixel in the mask.
        top: row of the crop's first pixel.
        size: height and width of the mask.

    Returns:
        The same counts as pycocotools finds in the whole mask.
    """
    height, width = size
    columns = np.zeros((crop.shape[1], crop.shape[0] + 2), dtype=np.int8)
    columns[:, 1:-1] = crop.T
    x, y = np.nonzero(np.diff(columns, axis=1))  # starts and ends in turn, column by column
    edges = ((left + x) * height + top + y).reshape(-1, 2)
    # A run that ends at the last row and one that starts at the next column's first are one.
    joined = np.flatnonzero(edges[:-1, 1] == edges[1:, 0])
    runs = np.stack([np.delete(edges[:, 0], joined + 1), np.delete(edges[:, 1], joined)], axis=1)
    counts = np.diff(runs.ravel(), prepend=0, append=height * width)
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return RLE(coco_mask.frPyObjects(
        dict(size=[height, width], counts=counts.tolist()), height, width))


def mask_rles(masks: Any, index: Sequence[int] | np.ndarray) -> list[dict]:
    """Some of an image's masks as dicts of ``size`` (H, W) and ``counts`` (bytes).

    Args:
        masks: n masks: a sequence of RLE dicts, ``RLEMasks``, or a bool tensor or array
            (n, H, W).
        index: which of them.
    """
    if isinstance(masks, torch.Tensor):
        masks = masks[torch.as_tensor(np.asarray(index, dtype=np.int64))].detach().cpu().numpy()
        return encode_masks(masks)
    if isinstance(masks, np.ndarray):
        return encode_masks(masks[np.asarray(index, dtype=np.int64)])
    return [_with_bytes(masks[int(i)]) for i in index]


def _with_bytes(rle: dict) -> dict:
    counts = rle['counts']
    return dict(size=list(rle['size']),
                counts=counts.encode() if isinstance(counts, str) else counts)


def encode_masks(masks: np.ndarray) -> list[dict]:
    """COCO RLE dicts of bool masks (n, H, W)."""
    return coco_mask.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8))
