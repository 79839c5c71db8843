"""Mask decoding against a pixel-by-pixel reference; formats; limits; memory."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from expalign.models.dense_heads import decode_masks
from expalign.models.dense_heads.mask_decode import interpolation_taps, upsample_crop


def reference_place(pixel, pixels, cells, scale, pad):
    """Where a pixel's centre lies among the cells whose centres are in the image's content."""
    inside = [c for c in range(cells) if pad <= 4 * c + 2 <= pad + pixels * scale]
    return min(max(((pixel + 0.5) * scale + pad) / 4 - 0.5, inside[0]), inside[-1])


def reference_logit(logits, x, y, size, scale, pad):
    """Bilinear interpolation of one instance's logits at the centre of pixel (x, y)."""
    x = reference_place(x, size[1], logits.shape[1], scale[0], pad[0])
    y = reference_place(y, size[0], logits.shape[0], scale[1], pad[1])
    x0, y0 = math.floor(x), math.floor(y)
    total = 0.0
    for cell_x, share_x in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
        for cell_y, share_y in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
            if share_x * share_y:
                total += share_x * share_y * float(logits[cell_y, cell_x])
    return total


@pytest.mark.parametrize(('size', 'scale', 'pad'), [
    ((23, 37), (1.7, 1.7), (0.0, 12.0)),  # height, width: odd, enlarged, padded at the top
    ((61, 45), (0.52, 0.525), (20.0, 16.0)),  # reduced, padded by whole cells
    ((50, 31), (1.27, 1.28), (11.0, 0.0)),  # padded by parts of cells
    ((64, 64), (1.0, 1.0), (0.0, 0.0)),
])
def test_equals_the_reference(size, scale, pad):
    gen = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 16, 16, generator=gen, dtype=torch.float64)
    height, width = size
    expected = torch.tensor([
        [[reference_logit(one, x, y, size, scale, pad) for x in range(width)]
         for y in range(height)] for one in logits], dtype=torch.float64)
    rows = interpolation_taps(height, 16, scale[1], pad[1], 4, logits)
    columns = interpolation_taps(width, 16, scale[0], pad[0], 4, logits)
    lines = torch.lerp(logits[:, rows.low], logits[:, rows.high], rows.weight[:, None])
    values = torch.lerp(lines[..., columns.low], lines[..., columns.high], columns.weight)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-9)

    boxes = torch.tensor([[0.0, 0.0, width, height], [3.4, 5.5, 20.6, 17.2]])
    masks = decode_masks(logits, boxes, size, scale, pad, mask_format='dense')
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[5:17, 3:21] = True  # centres in [5.5, 17.2) and [3.4, 20.6)
    assert torch.equal(masks[0], expected[0].sigmoid() > 0.5)
    assert torch.equal(masks[1], (expected[1].sigmoid() > 0.5) & inside)
    encoded = decode_masks(logits, boxes, size, scale, pad)
    np.testing.assert_array_equal(encoded.to_ndarray(), masks.numpy())


def test_equals_cropping_the_padding_and_interpolating():
    """With padding of whole cells this is torch's interpolation of what lies between."""
    logits = torch.randn(3, 20, 20, generator=torch.Generator().manual_seed(0))
    size, pad = (37, 64), (8.0, 12.0)  # 64 x 56 of the 80 x 80 input are the image
    scale = (64 / size[1], 56 / size[0])
    content = logits[:, 3:17, 2:18]
    expected = F.interpolate(content[None], size, mode='bilinear', align_corners=False)[0] > 0
    boxes = torch.tensor([[0.0, 0.0, 64, 37]]).expand(3, -1)
    masks = decode_masks(logits, boxes, size, scale, pad, mask_format='dense')
    assert (masks != expected).float().mean() < 1e-4  # rounding of values next to zero


def test_crop_gives_the_same_as_the_whole():
    logits = torch.randn(16, 16, generator=torch.Generator().manual_seed(1))
    rows = interpolation_taps(90, 16, 0.7, 1.0, 4, logits)
    columns = interpolation_taps(70, 16, 0.7, 3.0, 4, logits)
    whole = upsample_crop(logits, rows, columns)
    assert torch.equal(upsample_crop(logits, rows.between(13, 57), columns.between(20, 21)),
                       whole[13:57, 20:21])


def test_no_instance():
    for mask_format in ('rle', 'dense'):
        masks = decode_masks(
            torch.zeros(0, 8, 8), torch.zeros(0, 4), (31, 30), mask_format=mask_format)
        assert len(masks) == 0
        assert masks.cpu().shape == (0, 31, 30)


def test_boxes_without_a_pixel_give_empty_masks():
    boxes = torch.tensor([[3.6, 2.0, 4.4, 9.0], [9.0, 9.0, 4.0, 4.0], [40.0, 2.0, 50.0, 9.0]])
    masks = decode_masks(torch.ones(3, 8, 8), boxes, (32, 32))
    assert masks.to_ndarray().sum() == 0


def test_dense_masks_above_the_limit_are_refused():
    logits, boxes = torch.zeros(300, 8, 8), torch.zeros(300, 4)
    with pytest.raises(ValueError) as error:
        decode_masks(logits, boxes, (3000, 4000), mask_format='dense')
    message = str(error.value)
    assert '300 instances on an image of 4000 x 3000 pixels take 3,433 MiB' in message
    assert 'above the limit of 1,024 MiB' in message and "mask_format='rle'" in message
    dense = decode_masks(
        logits[:2], boxes[:2], (10, 10), mask_format='dense', max_dense_bytes=200)
    assert dense.shape == (2, 10, 10)
    with pytest.raises(ValueError, match='take 0 MiB, above'):
        decode_masks(logits[:2], boxes[:2], (10, 10), mask_format='dense', max_dense_bytes=199)


def test_unknown_format():
    with pytest.raises(ValueError, match="must be 'rle' or 'dense', got 'polygon'"):
        decode_masks(torch.zeros(1, 8, 8), torch.zeros(1, 4), (9, 9), mask_format='polygon')


MEASURE = """
import resource, time
import expalign
import torch
from expalign.models.dense_heads import decode_masks

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB
logits = torch.nn.functional.interpolate(torch.randn(300, 1, 20, 20), (160, 160))[:, 0]
boxes = torch.tensor([[0.0, 0.0, 4000.0, 3000.0]]).expand(300, -1)
before, start = peak(), time.perf_counter()
masks = decode_masks(logits, boxes, (3000, 4000), (0.16, 0.16), (0.0, 80.0))
size = sum(len(mask['counts']) for mask in masks)
print(len(masks), peak(), before, time.perf_counter() - start, size)
"""


@pytest.mark.slow
def test_300_large_masks_stay_below_two_gigabytes():
    """The worst case: every box is the whole image of 4000 x 3000 pixels."""
    out = subprocess.run(
        [sys.executable, '-c', MEASURE], check=True, capture_output=True, text=True).stdout
    num, peak, before, seconds, size = map(float, out.split()[-5:])
    print(f'\n300 masks of 4000 x 3000: peak {peak:.2f} GiB, {before:.2f} before, '
          f'{seconds:.1f} s, {size / 2**20:.1f} MiB encoded')
    assert num == 300 and peak < 2
