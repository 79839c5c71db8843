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


def boxes_to_originals(boxes: Tensor, metas: Sequence[dict]) -> Tensor:
    """Undo scaling and padding: boxes (B, n, 4) xyxy of B images from input to original pixels."""
    rows = [[side * 2 for side in scale_and_pad(meta)] for meta in metas]
    # Not new_tensor, which waits for the device.
    scale, pad = torch.tensor(rows, dtype=boxes.dtype).to(
        boxes.device, non_blocking=True).unbind(1)  # (B, 4) each
    return (boxes - pad[:, None]) / scale[:, None]


def clip_to_images(boxes: Tensor, metas: Sequence[dict]) -> Tensor:
    """Boxes (B, n, 4) xyxy cut at the borders of their images, of ``ori_shape`` (height, width)."""
    sizes = torch.tensor([meta['ori_shape'][1::-1] * 2 for meta in metas], dtype=boxes.dtype)
    sizes = sizes.to(boxes.device, non_blocking=True)[:, None]
    return torch.minimum(boxes.clamp(min=0), sizes)


def clip_boxes(boxes: Tensor, size: tuple[int, ...]) -> Tensor:
    """Boxes (n, 4) xyxy cut at the borders of an image; ``size`` starts with height, width."""
    height, width = size[:2]
    return torch.stack(
        [boxes[:, 0].clamp(0, width), boxes[:, 1].clamp(0, height),
         boxes[:, 2].clamp(0, width), boxes[:, 3].clamp(0, height)], dim=1)
