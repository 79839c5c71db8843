"""One map over its photograph."""

import numpy as np
import pytest

from expalign.visualization.map_picture import BOX, map_picture, map_scale
from expalign.visualization.panels import COLOURS, OPACITY, level_title
from tests.test_visualization.test_explanation import IMAGE, SIZE, alignment


def test_colours_and_boxes():
    scale = map_scale(alignment())
    assert scale == (-2.5, 5)
    picture = map_picture(IMAGE, alignment(), 0, 'P3', np.float32([[16, 8, 32, 24]]))
    assert picture.shape == (*SIZE, 3) and tuple(picture[8, 16]) == BOX
    # The brightest colour where the map is highest, below the letterbox's 8 pixels.
    expected = (1 - OPACITY) * 120 + OPACITY * 255 * np.array(COLOURS(1.0)[:3])
    np.testing.assert_allclose(picture[15, 24], expected, atol=8)
    assert map_picture(IMAGE, alignment(), 1, 'P3', np.zeros((0, 4)))[15, 24].sum() < 230  # dark


def test_large_images_are_shrunk():
    large = np.repeat(np.repeat(IMAGE, 60, 0), 60, 1)
    assert map_picture(large, alignment(), 0, 'fused', np.zeros((0, 4))).shape == (600, 800, 3)


@pytest.mark.parametrize(('level', 'title'), [
    ('P3', 'P3 (stride 8)'), ('P5', 'P5 (stride 32)'), ('fused', 'all levels, fused')])
def test_titles(level, title):
    assert level_title(level) == title
