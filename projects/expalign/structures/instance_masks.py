"""The masks of what was found in an image, as arrays on demand."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np


class InstanceMasks(Sequence[np.ndarray]):
    """n masks of one size; each is kept as it came and decoded when it is asked for.

    ``masks[i]`` and iteration give (H, W) bool, ``np.asarray(masks)`` (n, H, W) bool, a slice or an
    array of places ``InstanceMasks``.

    Args:
        items: COCO run-length encodings, arrays (H, W), or what has ``on_image(size)``.
        size: height and width in pixels.
    """

    def __init__(self, items: Sequence[Any], size: tuple[int, int]) -> None:
        self.items = items
        height, width = size
        self.size = height, width

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> 'InstanceMasks': ...

    def __getitem__(self, index: Any) -> 'np.ndarray | InstanceMasks':
        if isinstance(index, slice):
            index = range(*index.indices(len(self)))
        if not isinstance(index, int | np.integer):
            return InstanceMasks([self.items[int(place)] for place in index], self.size)
        item = self.items[int(index)]
        if hasattr(item, 'on_image'):
            return item.on_image(self.size)
        if isinstance(item, dict):
            import pycocotools.mask as coco_mask
            return coco_mask.decode(dict(item)).astype(bool)
        return np.asarray(item, dtype=bool)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        masks = np.zeros((len(self), *self.size), dtype=bool)
        for mask, pixels in zip(masks, self, strict=True):
            mask[:] = pixels
        return masks if dtype is None else masks.astype(dtype)

    def resized(self, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """The masks, one after the other, for the image in another size (h, w)."""
        import cv2
        for mask in self:
            yield cv2.resize(mask.astype(np.uint8) * 255, (size[1], size[0])) > 127

    def __repr__(self) -> str:
        return f'{type(self).__name__}({len(self)} masks, {self.size[1]} x {self.size[0]} pixels)'

    def rle(self, index: int) -> dict[str, Any]:
        """A mask in COCO's form as JSON holds it: ``size`` (H, W) and ``counts``, a string."""
        import pycocotools.mask as coco_mask
        item = self.items[index]
        if not isinstance(item, dict):
            item = coco_mask.encode(np.asfortranarray(self[index].astype(np.uint8)))
        counts = item['counts']
        counts = counts.decode('ascii') if isinstance(counts, bytes) else counts
        return dict(size=[int(side) for side in item['size']], counts=counts)
