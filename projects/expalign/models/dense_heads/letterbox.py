"""The way from the network's input, scaled and padded, back to the original image."""

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


def boxes_to_original(boxes: Tensor, meta: dict) -> Tensor:
    """Undo scaling and padding: boxes (n, 4) xyxy from input to original pixels."""
    scale, pad = (boxes.new_tensor(pair).repeat(2) for pair in scale_and_pad(meta))
    return (boxes - pad) / scale


def clip_boxes(boxes: Tensor, size: tuple[int, ...]) -> Tensor:
    """Boxes (n, 4) xyxy cut at the borders of an image; ``size`` starts with height, width."""
    height, width = size[:2]
    return torch.stack(
        [boxes[:, 0].clamp(0, width), boxes[:, 1].clamp(0, height),
         boxes[:, 2].clamp(0, width), boxes[:, 3].clamp(0, height)], dim=1)
