"""A photograph as it could have been taken, too: mirrored, and from farther away.

Axes: H, W sides of the network's input, n boxes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PADDING = 114.0  # value of pixels around a photograph, before they are normalised


class View(NamedTuple):
    """One way to see a photograph; the first one is as it is.

    Attributes:
        mirrored: left and right change places.
        scale: of the photograph in the network's input, at most 1: smaller ones leave a border.
    """

    mirrored: bool = False
    scale: float = 1.0

    def image(self, inputs: Tensor, grey: Tensor) -> Tensor:
        """The network's input (1, 3, H, W) in this view.

        Args:
            inputs: as it is, normalised.
            grey: (3) pixel of the border, see :func:`border`.
        """
        if self.mirrored:
            inputs = inputs.flip(3)
        if self.scale != 1:
            top, left, height, width = self._window(*inputs.shape[2:])
            small = F.interpolate(inputs, (height, width), mode='bilinear', antialias=True)
            inputs = grey.to(inputs)[None, :, None, None].expand_as(inputs).clone()
            inputs[:, :, top:top + height, left:left + width] = small
        return inputs

    def boxes(self, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Boxes (n, 4) xyxy in pixels of the input, in this view; ``size`` is H, W."""
        height, width = size
        if self.mirrored:
            x1, y1, x2, y2 = boxes.unbind(1)
            boxes = torch.stack([width - x2, y1, width - x1, y2], 1)
        if self.scale != 1:
            top, left, *small = self._window(height, width)
            boxes = boxes * boxes.new_tensor([small[1] / width, small[0] / height] * 2)
            boxes = boxes + boxes.new_tensor([left, top] * 2)
        return boxes

    def _window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of the photograph in the input."""
        small = round(height * self.scale), round(width * self.scale)
        return (height - small[0]) // 2, (width - small[1]) // 2, *small


PLAIN = View()
VIEWS = dict(plain=PLAIN, mirrored=View(mirrored=True), small=View(scale=0.7))


def border(preprocessor: nn.Module) -> Tensor:
    """The pixel (3) around a photograph, normalised as an mmdet data preprocessor does it."""
    grey = torch.full((3,), PADDING)
    if not preprocessor._enable_normalize:
        return grey
    return (grey - preprocessor.mean.flatten().cpu()) / preprocessor.std.flatten().cpu()
