"""Mask decoding against a pixel-by-pixel reference; formats; limits; memory."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from expalign.models.dense_heads import decode_masks
from expalign.models.dense_heads import mask_decode as module
from expalign.models.dense_heads.mask_crops import Frame, axis_of_crops, interpolation_taps
from expalign.structures.rle_masks import encode_crop


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


def taps(size, scale, pad, axis, cells=16):
    """Both cells and the weight of every pixel of an axis of an image."""
    sides = np.zeros(1), np.full(1, size[1 - axis])
    crop = axis_of_crops(*sides, Frame(size, scale, pad), axis, cells, 4)
    return [x[0] for x in interpolation_taps(
        torch.from_numpy(crop.columns()), size[1 - axis], 0, 4, torch.float64)]


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
    (top, bottom, down), (left, right, across) = (
        taps(size, scale, pad, axis) for axis in (1, 0))
    lines = torch.lerp(logits[:, top], logits[:, bottom], down[:, None])
    values = torch.lerp(lines[..., left], lines[..., right], across)
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


def one_by_one(logits, boxes, size, scale, pad):
    """The strings of masks decoded and encoded one instance, one crop after the other."""
    (top, bottom, down), (left, right, across) = (
        taps(size, scale, pad, axis, logits.shape[2 - axis]) for axis in (1, 0))
    found = []
    for own, box in zip(logits, boxes.tolist(), strict=True):
        x, y = (slice(*(min(max(math.ceil(side - 0.5), 0), size[1 - axis])
                        for side in (box[axis], box[axis + 2]))) for axis in (0, 1))
        lines = torch.lerp(own[top[y]], own[bottom[y]], down[y, None].float())
        crop = torch.lerp(lines[:, left[x]], lines[:, right[x]], across[x].float()) > 0
        found.append(dict(encode_crop(crop.numpy(), x.start, y.start, size)))
    return found


def masks_of_all_kinds(size, count=40, cells=40, seed=0):
    """Logits and boxes: smooth and noisy, of any size, whole columns, the whole image, empty."""
    generator = torch.Generator().manual_seed(seed)
    logits = F.interpolate(
        torch.randn(count, 1, 6, 6, generator=generator), (cells, cells), mode='bilinear')[:, 0]
    logits[::4] = torch.randn(len(logits[::4]), cells, cells, generator=generator)
    extent = torch.tensor([size[1], size[0]] * 2)
    corners = torch.rand(count, 2, 2, generator=generator).sort(1).values.flatten(1) * extent
    corners[0] = corners[4] = corners[5] = extent * torch.tensor([0, 0, 1, 1])
    corners[6, 1], corners[6, 3] = 0, size[0]  # whole columns
    corners[7, 2] = corners[7, 0] + 0.1  # hardly a pixel
    logits[5], logits[8], logits[6] = 1, -1, logits[6].abs()
    return logits, corners


@pytest.mark.parametrize('at_once', [1, 3000, 2**17, 2**25])
def test_strings_are_those_of_one_instance_after_the_other(monkeypatch, at_once):
    """Bit by bit, whatever the number of instances that are computed together."""
    monkeypatch.setattr(module, 'PIXELS_ON_CPU', at_once)
    frames = (97, 131), (1.22, 1.22), (0.0, 20.7)
    logits, boxes = masks_of_all_kinds(frames[0])
    found = decode_masks(logits, boxes, *frames)
    assert [dict(mask) for mask in found] == one_by_one(logits, boxes, *frames)


def test_a_batch_of_images_of_different_sizes(monkeypatch):
    frames = [Frame((97, 131), (1.22, 1.22), (0.0, 20.7)), Frame((60, 60), (2.6, 2.6), (2.0, 2.0)),
              Frame((300, 200), (0.53, 0.53), (27.0, 0.0))]
    kinds = [masks_of_all_kinds(frame.size, seed=i) for i, frame in enumerate(frames)]
    logits = torch.stack([own for own, _ in kinds])
    boxes = [own.numpy()[:count] for (_, own), count in zip(kinds, (40, 0, 17), strict=True)]
    for images in (10**9, 1):  # all together; one image's logits at a time
        monkeypatch.setattr(module, 'LOGITS_AT_ONCE', images)
        found = module.decode_batch(lambda images: logits[images], boxes, frames, (40, 40, 40), 4)
        for own, masks, box, frame in zip(logits, found, boxes, frames, strict=True):
            assert masks.size == frame.size
            assert [dict(mask) for mask in masks] == one_by_one(
                own[:len(box)], torch.from_numpy(box), frame.size, frame.scale, frame.pad)
    dense = module.decode_batch(
        lambda images: logits[images], boxes, frames, (40, 40, 40), 4, 'dense')
    for masks, one in zip(found, dense, strict=True):
        np.testing.assert_array_equal(masks.to_ndarray(), one.numpy())


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
