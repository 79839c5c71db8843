"""The way from the network's input, scaled and padded, back to the original image."""

from collections.abc import Sequence

import torch
from torch import Tensor


def scale_and_pad(meta: dict) -> tuple[tuple[float, float], tuple[float, float]]:
    """Input pixels per pixel of the original image (x, y), and the padding (left, top).

    Args:
        meta: ``scale_factor`` (x, y) and optionally ``pad_param`` (top, bottom, left, right).
    """
    x, y = meta['scale_factor']
    pad = meta.get('pad_param')
    top, _, left, _ = (0, 0, 0, 0) if pad is None else pad
    return (float(x), float(y)), (float(left), float(top))


def letterbox_frames(metas: Sequence[dict], like: Tensor) -> Tensor:
    """Padding (left, top), scale (x, y), size (width, height), each twice, of images: (B, 3, 4).

    Args:
        metas: of B images: see :func:`scale_and_pad`, and ``ori_shape`` (height, width, ...).
        like: of the type and device wanted.
    """
    rows = []
    for meta in metas:
        scale, pad = scale_and_pad(meta)
        rows.append([pad * 2, scale * 2, tuple(meta['ori_shape'][1::-1]) * 2])
    # Not new_tensor, which waits for the device.
    return torch.tensor(rows, dtype=like.dtype).to(like.device, non_blocking=True)


def boxes_to_originals(boxes: Tensor, frames: Tensor) -> Tensor:
    """Undo scaling and padding: boxes (B, n, 4) xyxy of B images from input to original pixels."""
    return (boxes - frames[:, 0, None]) / frames[:, 1, None]


def clip_to_images(boxes: Tensor, frames: Tensor) -> Tensor:
    """Boxes (B, n, 4) xyxy cut at the borders of their images."""
    return torch.minimum(boxes.clamp(min=0), frames[:, 2, None])


def clip_boxes(boxes: Tensor, size: tuple[int, ...]) -> Tensor:
    """Boxes (n, 4) xyxy cut at the borders of an image; ``size`` starts with height, width."""
    height, width = size[:2]
    return torch.stack(
        [boxes[:, 0].clamp(0, width), boxes[:, 1].clamp(0, height),
         boxes[:, 2].clamp(0, width), boxes[:, 3].clamp(0, height)], dim=1)
