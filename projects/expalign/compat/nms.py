"""mmcv's ``nms`` and ``softnms`` operators without mmcv's compiled extension.

Signatures, results and float32 arithmetic are those of mmcv's CPU operators, operation by
operation, so that the kept indices agree exactly; but of boxes with one score the first comes first
here, while mmcv's order of them depends on the processor. Tensors of another device are computed on
the CPU and the result goes back to their device.
"""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) float32, corners (x1, y1, x2, y2).
        scores: (N, ).
        iou_threshold: A box goes when its IoU with a kept box is strictly greater.
        offset: 0 or 1; a box is ``x2 - x1 + offset`` wide.

    Returns:
        Indices of the kept boxes by falling score, (M, ) int64, on the device of ``boxes``.

    Raises:
        TypeError: ``boxes`` is not float32.
    """
    _check_float32('nms', boxes=boxes)
    order = scores.detach().cpu().sort(stable=True, dim=0, descending=True)[1]
    if boxes.numel() == 0:
        return order.to(boxes.device)
    corners = boxes.detach().cpu()[order].t().contiguous().numpy()
    kernels = _kernels()
    groups = kernels.neighbourhoods(*corners[:2])
    keep = kernels.nms(corners, groups, np.float32(iou_threshold), np.float32(offset))
    return order[torch.from_numpy(keep)].to(boxes.device)


def softnms(boxes: Tensor, scores: Tensor, dets: Tensor, iou_threshold: float, sigma: float,
            min_score: float, method: int, offset: int) -> Tensor:
    """Soft non-maximum suppression; fills ``dets`` in place.

    Args:
        boxes: (N, 4) float32, corners (x1, y1, x2, y2).
        scores: (N, ) float32.
        dets: (N, 5) float32 on the CPU, contiguous; its first M rows receive box and new score.
        iou_threshold: IoU from which methods 0 and 1 act.
        sigma: Width of method 2.
        min_score: A box goes when its decayed score falls below.
        method: 0 naive (score becomes 0), 1 linear, 2 gaussian.
        offset: 0 or 1; a box is ``x2 - x1 + offset`` wide.

    Returns:
        Indices of the M boxes that remain, by falling decayed score, (M, ) int64.

    Raises:
        TypeError: A tensor is not float32.
    """
    _check_float32('softnms', boxes=boxes, scores=scores, dets=dets)
    corners = boxes.detach().cpu()
    extents = corners[:, 2:] - corners[:, :2] + offset
    columns = (corners, scores.detach().cpu()[:, None], extents.prod(1, keepdim=True))
    keep = _kernels().softnms(
        torch.cat(columns, 1).numpy(), dets.numpy(), np.float32(iou_threshold), np.float32(sigma),
        np.float32(min_score), method, np.float32(offset))
    return torch.from_numpy(keep).to(boxes.device)


def _kernels() -> ModuleType:
    # Here and not above: numba and the compiled code are loaded when a box needs them.
    from . import nms_kernels
    return nms_kernels


def _check_float32(op: str, **tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise TypeError(f"mmcv operator '{op}' takes float32 {name}, got {tensor.dtype}: "
                            f'convert them with {name}.float()')
