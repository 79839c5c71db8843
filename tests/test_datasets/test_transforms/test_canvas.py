"""A canvas is drawn as mmyolo draws its mosaic, whatever window of it is asked for."""

import numpy as np
import pytest

from expalign.datasets.transforms.canvas import Canvas, CanvasPart, scaled_pixels

RNG = np.random.default_rng(0)


def noise(height, width, *channels):
    return RNG.integers(0, 256, (height, width, *channels), dtype=np.uint8)


def two_images():
    """One as it is, cut at the left; one enlarged to 40 x 30, cut below."""
    return Canvas(
        [CanvasPart(noise(20, 30, 3), (30, 20), (0, 10, 25, 30), (5, 0, 30, 20)),
         CanvasPart(noise(24, 32, 3), (40, 30), (25, 30, 65, 50), (0, 0, 40, 20))],
        (60, 70, 3), 114.0)


def test_parts_lie_in_their_places():
    canvas = two_images()
    first, second = canvas.parts
    pixels = canvas.draw()
    assert pixels.shape == (60, 70, 3) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[10:30, :25], first.image[:, 5:])
    np.testing.assert_array_equal(
        pixels[30:50, 25:65], scaled_pixels(second.image, (40, 30), (0, 0, 40, 30))[:20])
    assert (pixels == 114).all(-1).sum() == pytest.approx(60 * 70 - 20 * 25 - 20 * 40, abs=2)


@pytest.mark.parametrize('window', [
    (0, 0, 70, 60), (3, 12, 20, 40), (24, 29, 27, 32), (66, 51, 70, 60), (-9, -5, 90, 80),
    (-20, -20, -10, -10), (10, 70, 30, 75)])
def test_a_window_is_a_piece_of_the_endless_ground(window):
    canvas = two_images()
    padded = np.pad(canvas.draw(), ((30, 30), (30, 30), (0, 0)), constant_values=114)
    x1, y1, x2, y2 = np.add(window, 30)
    np.testing.assert_array_equal(canvas.draw(window), padded[y1:y2, x1:x2])


@pytest.mark.parametrize('size', [
    (320, 240), (640, 480), (641, 473), (500, 375), (1024, 768), (2000, 1333), (97, 1200), (31, 9)])
def test_a_crop_of_a_scaled_image_is_that_of_the_whole(size):
    """Without scaling the whole; OpenCV rounds places to float32, so a few pixels differ by 1."""
    image = noise(*size[::-1], 3)
    scale = 640 / max(size)
    scaled = int(size[0] * scale), int(size[1] * scale)
    whole = scaled_pixels(image, scaled, (0, 0, *scaled)).astype(int)
    for _ in range(20):
        (x1, x2), (y1, y2) = (np.sort(RNG.choice(side + 1, 2, replace=False)) for side in scaled)
        piece = scaled_pixels(image, scaled, (x1, y1, x2, y2))
        difference = np.abs(piece - whole[y1:y2, x1:x2])
        assert difference.max() <= 1 and (difference > 0).mean() < 0.01


def test_grey_and_float_images():
    grey = Canvas.around(noise(5, 6), (7,))
    assert grey.draw((-1, 0, 6, 5))[:, 0].tolist() == [7] * 5
    image = noise(5, 6, 3).astype(np.float32)
    pixels = Canvas.around(image, (1, 2, 3.5)).draw((0, 0, 7, 5))
    assert pixels.dtype == np.float32 and pixels[0, 6].tolist() == [1, 2, 3.5]
    np.testing.assert_array_equal(pixels[:, :6], image)
