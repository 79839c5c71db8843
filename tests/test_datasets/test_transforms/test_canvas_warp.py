"""Warping what can be seen of a canvas gives the pixels of OpenCV's warp of the whole."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from expalign.datasets.transforms import canvas_warp
from expalign.datasets.transforms.canvas import Canvas, CanvasPart
from expalign.datasets.transforms.canvas_warp import TOLERANCE, colour_of, find_stretch, warp

PHOTOGRAPHS = sorted((Path(__file__).parents[3] / 'demo/data/mini/train2017').glob('*.jpg'))[:4]
GREY = (114, 114, 114)


def upright(scale, shift_x, shift_y):
    return np.array([[scale, 0, shift_x], [0, scale, shift_y]], dtype=np.float64)


@pytest.fixture(scope='module')
def mosaic():
    """Four photographs around (600, 700) on a canvas of 1280 x 1280."""
    parts = []
    for index, path in enumerate(PHOTOGRAPHS):
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        x, y = (600 - width, 600)[index % 2], (700 - height, 700)[index // 2]
        cut = max(-x, 0)
        parts.append(CanvasPart(image, (width, height), (x + cut, y, x + width, y + height),
                                (cut, 0, width, height)))
    return Canvas(parts, (1280, 1280, 3), 114.0)


def difference(canvas, matrix, size, border=GREY):
    expected = cv2.warpAffine(canvas.draw(), matrix, size[::-1], borderValue=border)
    pixels = warp(canvas, matrix, size, border)
    assert pixels.shape == expected.shape and pixels.dtype == expected.dtype
    return np.abs(pixels.astype(float) - expected)


@pytest.mark.parametrize('scale', [0.5, 0.537, 0.61, 0.75, 0.9, 1.004, 1.1, 1.337, 1.5, 2.6])
def test_photographs_differ_by_rounded_places(mosaic, scale):
    """At a scale that is no simple fraction: by a quarter of a grey level in the mean."""
    rng = np.random.default_rng(int(1000 * scale))
    for _ in range(3):
        found = difference(
            mosaic, upright(scale, *(320 - scale * 640 + rng.uniform(-64, 64, 2))), (640, 640))
        assert found.max() <= 2 * 255 * 2 * TOLERANCE + 1
        assert found.mean() < 0.5


def test_most_maps_take_the_fast_way(mosaic, monkeypatch):
    taken = []
    monkeypatch.setattr(canvas_warp, '_resized', lambda *arguments: taken.append(arguments))
    rng = np.random.default_rng(0)
    small = Canvas.around(np.zeros((8, 8, 3), dtype=np.uint8), GREY)
    for _ in range(500):
        warp(small, upright(rng.uniform(0.5, 1.5), *rng.uniform(-500, 500, 2)), (640, 640), GREY)
    assert len(taken) > 0.88 * 500
    warp(small, upright(0.7, 1, 2) + [[0, 1e-4, 0], [0, 0, 0]], (640, 640), GREY)
    warp(small, upright(0.7, 1, 2), (640, 640), (0, 0, 0))
    assert len(taken) < 500


@pytest.mark.parametrize('shift', [(0, 0), (-320, -320), (-471, 13), (700, -1400), (5000, 0)])
def test_whole_shifts_are_exact(mosaic, shift):
    assert difference(mosaic, upright(1.0, *shift), (640, 640)).max() == 0


@pytest.mark.parametrize('matrix', [
    [[0.9, -0.3, 80], [0.3, 0.9, -300]], [[1.1, 0.2, -400], [0, 1.2, -300]],
    [[-1, 0, 900], [0, 1, -300]], [[0, 1, -300], [1, 0, -300]], [[0.02, 0, 4], [0, 0.02, 4]]])
@pytest.mark.parametrize('border', [GREY, (0, 255, 7)])
def test_rotation_shear_and_mirror_images(mosaic, matrix, border):
    found = difference(mosaic, np.array(matrix, dtype=np.float64), (500, 640), border)
    # Places are rounded from another corner, and a canvas of a few pixels is mostly noise.
    assert found.max() <= 2 * 255 * 2 * TOLERANCE + 1 and found.mean() < 0.6


def test_no_dark_seams():
    """Four white images that fill the canvas: no grey comes in between, at any scale."""
    white = np.full((640, 640, 3), 255, dtype=np.uint8)
    places = [(0, 0), (640, 0), (0, 640), (640, 640)]
    canvas = Canvas(
        [CanvasPart(white, (640, 640), (x, y, x + 640, y + 640), (0, 0, 640, 640))
         for x, y in places], (1280, 1280, 3), 114.0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        scale = rng.uniform(0.62, 1.5)
        matrix = upright(scale, *(320 - scale * 640 + rng.uniform(-64, 64, 2)))
        assert (warp(canvas, matrix, (640, 640), GREY) == 255).all()


def test_seams_and_borders_are_blended_as_by_opencv():
    """Images of one colour each: only seams and borders can differ."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    parts = []
    for index, colour in enumerate(colours):
        image = np.full((90 + 20 * index, 150 - 13 * index, 3), colour, dtype=np.uint8)
        height, width = image.shape[:2]
        x, y = (160 - width, 160)[index % 2], (140 - height, 140)[index // 2]
        parts.append(CanvasPart(image, (width, height), (x, y, x + width, y + height),
                                (0, 0, width, height)))
    canvas = Canvas(parts, (320, 320, 3), 114.0)
    rng = np.random.default_rng(1)
    for _ in range(20):
        scale = rng.uniform(0.5, 1.5)
        found = difference(canvas, upright(scale, *rng.uniform(-90, 30, 2)), (160, 160))
        assert found.max() <= 2 * 255 * 2 * TOLERANCE + 1 and found.mean() < 0.3


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('shape', [(50, 70), (50, 70, 3), (1, 1, 3), (3, 900, 3), (900, 3, 3)])
def test_other_images(shape, dtype):
    image = cv2.GaussianBlur(
        np.random.default_rng(0).uniform(0, 255, shape).astype(dtype), (0, 0), 1.5).reshape(shape)
    for scale in (0.77, 1.0, 1.31):
        canvas = Canvas.around(image, colour_of(GREY, shape))
        found = difference(canvas, upright(scale, 3.3, -1.7), (40, 60))
        assert found.max() <= 2 * 255 * 2 * TOLERANCE + 1


def test_colours_are_opencv_s():
    assert colour_of(114, (5, 5, 3)) == (114, 0, 0)
    assert colour_of(GREY, (5, 5)) == (114,)
    assert colour_of((1, 2, 3, 4), (5, 5, 3)) == (1, 2, 3)
    canvas = Canvas.around(np.full((9, 9, 3), 50, dtype=np.uint8), colour_of(114, (9, 9, 3)))
    assert difference(canvas, upright(0.83, 2.2, 2.2), (20, 20), 114).max() <= 9
    halves = Canvas.around(np.full((9, 9, 3), 50, dtype=np.uint8), (114.5,) * 3)
    assert difference(halves, upright(0.83, 2.2, 2.2), (20, 20), (114.5,) * 3).max() <= 9


def test_a_stretch_by_hand():
    """At scale 1/2 pixel d lies at 2 (d - shift): OpenCV has pixel e at 2 e + 1/2."""
    stretch = find_stretch(0.5, -3.25, 10)
    assert stretch.left_out == 0 and stretch.start == 6
    assert 6 + 2 * 0 + 0.5 == (0 + 3.25) / 0.5
    assert find_stretch(0.5, -3.0, 10) is None  # every place is half a pixel off
    assert find_stretch(1.0, -3.25, 10) is None  # and here a quarter
    assert find_stretch(1.0, -3.0, 10) is None  # OpenCV would copy, which is another way
    scale, shift, length = 1.37, 11.41, 300
    start, end, left_out = find_stretch(scale, shift, length)
    at = start + (np.arange(length) + left_out + 0.5) / scale - 0.5
    assert np.abs(at - (np.arange(length) - shift) / scale).max() <= TOLERANCE
    assert at[0] >= start and at[-1] + 1 <= end - 1
    assert round((end - start) * scale) >= left_out + length
