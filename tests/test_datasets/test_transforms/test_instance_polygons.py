"""Polygons: what counts as a mask, run-length encodings, clipping, shifting."""

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest

from expalign.structures import instance_polygons
from expalign.structures.instance_polygons import (
    InstancePolygons,
    absent,
    clip_polygon,
    has_mask,
    outlines,
    polygons_of,
    project_polygon,
)

TRIANGLE = [1, 1, 9, 1, 1, 9]


def draw(polygons, height, width):
    if not polygons:
        return np.zeros((height, width), dtype=np.uint8)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)))


def area(polygon):
    x, y = polygon.reshape(-1, 2).T.astype(float)
    return 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))


def random_mask(seed):
    """Blobs of several sizes, with holes and islands, some one pixel wide."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(5, 60, 2)
    noise = cv2.GaussianBlur(
        generator.random((height, width)), (0, 0), generator.uniform(0.5, 4.0))
    return (noise > np.quantile(noise, generator.uniform(0.2, 0.9))).astype(np.uint8)


@pytest.mark.parametrize('seed', range(60))
def test_outlines_draw_the_same_mask(seed):
    mask = random_mask(seed)
    np.testing.assert_array_equal(draw(outlines(mask), *mask.shape), mask)


def test_outline_of_a_ring_by_hand():
    mask = np.zeros((5, 6), dtype=np.uint8)
    mask[1:4, 1:4] = 1
    (square,) = outlines(mask)
    assert sorted(zip(square[::2], square[1::2], strict=True)) == [(1, 1), (1, 4), (4, 1), (4, 4)]
    mask[2, 2] = 0
    (ring,) = outlines(mask)
    np.testing.assert_array_equal(draw([ring], 5, 6), mask)
    assert outlines(np.zeros((4, 4), dtype=np.uint8)) == []


@pytest.mark.parametrize('form', ['compressed', 'text', 'counts'])
def test_run_length_encodings(form):
    mask = random_mask(3)
    rle = coco_mask.encode(np.asfortranarray(mask))
    if form == 'text':
        rle['counts'] = rle['counts'].decode()
    elif form == 'counts':
        flat = np.concatenate([[0], mask.T.ravel(), [2]])
        rle['counts'] = np.diff(np.flatnonzero(np.diff(flat)), prepend=0).tolist()
        if mask[0, 0]:
            rle['counts'] = [0, *rle['counts']]
    polygons = polygons_of(rle, mask.shape)
    np.testing.assert_array_equal(draw(polygons, *mask.shape), mask)


@pytest.mark.parametrize('annotation', [
    [], [[]], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6, 7]],
    coco_mask.encode(np.zeros((20, 30), dtype=np.uint8, order='F'))])
def test_what_has_no_area_is_absent(annotation):
    polygons = polygons_of(annotation, (20, 30))
    assert has_mask(InstancePolygons([polygons, [np.array(TRIANGLE)]], 20, 30)).tolist() == [
        False, True]


def test_bad_polygons_do_not_hide_good_ones():
    (polygon,) = polygons_of([[1, 2], TRIANGLE, []], (20, 30))
    assert polygon.tolist() == TRIANGLE and polygon.dtype == np.float32


def test_errors():
    with pytest.raises(TypeError, match='list of polygons or a run-length encoding, got str'):
        polygons_of('triangle', (20, 30))
    rle = coco_mask.encode(np.ones((30, 20), dtype=np.uint8, order='F'))
    with pytest.raises(ValueError, match=r'size \[30, 20\].* does not fit the image of size \[20'):
        polygons_of(rle, (20, 30))
    with pytest.raises(ValueError, match=r"keys \['size'\] does not fit .*'counts'"):
        polygons_of(dict(size=[20, 30]), (20, 30))


def test_absent_masks_survive_every_operation():
    masks = InstancePolygons([absent(), [np.array(TRIANGLE, dtype=np.float32)], absent()], 20, 30)
    changed = masks.resize((40, 60)).translate((80, 90), 7).translate((80, 90), -50, 'vertical')
    changed = changed.cat([changed, changed]).flip()[np.array([True, True, False] * 2)]
    assert has_mask(changed).tolist() == [False, True, False, True]
    assert (changed.height, changed.width) == (80, 90)
    # Twice as large, 7 to the right, 50 up, mirrored at x = 45.
    assert changed.masks[1][0].tolist() == [81, -48, 65, -48, 81, -32]
    assert has_mask(InstancePolygons([], 20, 30)).shape == (0,)


def test_clipping_by_hand():
    diamond = np.array([5, -5, 15, 5, 5, 15, -5, 5], dtype=np.float32)
    assert area(clip_polygon(diamond, (10, 10))) == 100
    clipped = clip_polygon(diamond, (10, 6))
    assert area(clipped) == 60
    assert clipped.min() == 0 and clipped[::2].max() == 6 and clipped[1::2].max() == 10
    inside = np.array(TRIANGLE, dtype=np.float32)
    np.testing.assert_array_equal(clip_polygon(inside, (9, 9)), inside)
    for outside in (inside - 9, inside + 9, inside + np.tile([0, -9], 3)):
        assert len(clip_polygon(outside, (10, 10))) == 0
    assert len(clip_polygon(np.zeros(0, dtype=np.float32), (10, 10))) == 0


@pytest.mark.parametrize('seed', range(10))
def test_clipping_changes_nothing_inside(seed):
    """Stars, concave and partly outside; drawn with room around, the image's part is the same."""
    generator = np.random.default_rng(seed)
    angles = np.sort(generator.uniform(0, 2 * np.pi, 12))
    radii = generator.uniform(10, 60, 12)
    star = 20 + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
    star = star.astype(np.float32).ravel()
    wide = draw([star + 100], 250, 250)[100:140, 100:150]
    clipped = draw([clip_polygon(star, (40, 50))], 40, 50)
    assert (wide != clipped).sum() <= 4  # rounding of slanted edges
    assert 200 < wide.sum() < 2000


def test_what_is_inside_or_outside_needs_no_cut():
    """It is what the four cuts leave, bit by bit."""
    rng, size, kinds = np.random.default_rng(0), (40, 50), set()
    for _ in range(400):
        points = (rng.uniform(-40, 90, 2) + rng.uniform(-30, 30, (rng.integers(3, 9), 2)))
        points = np.rint(points) if rng.random() < 0.3 else points  # also on the border itself
        points = points.astype(rng.choice([np.float32, np.float64]))
        expected = points
        for axis, length in ((0, 50), (1, 40)):
            expected = instance_polygons._cut(expected, expected[:, axis])
            expected = instance_polygons._cut(expected, length - expected[:, axis])
        found = clip_polygon(points.ravel(), size)
        np.testing.assert_array_equal(found, expected.ravel())
        assert found.dtype == points.dtype
        kinds.add((len(found) == 0, np.array_equal(found, points.ravel())))
    assert len(kinds) == 3


def test_projection():
    matrix = np.array([[2, 0, 3], [0, 2, -1], [0, 0, 2.0]])
    polygon = project_polygon(np.array(TRIANGLE, dtype=np.float32), matrix)
    assert polygon.tolist() == [2.5, 0.5, 10.5, 0.5, 2.5, 8.5]
