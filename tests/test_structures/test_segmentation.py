"""Segmentations of strangers: read as pycocotools reads them, or refused without harm."""

import tracemalloc

import numpy as np
import pycocotools.mask as coco_mask
import pytest

from expalign.structures.instance_polygons import outlines, polygons_of
from expalign.structures.segmentation import checked_polygon, decompressed, mask_of_encoding

SIZE = 40, 60
NAN = float('nan')


def test_compressed_encodings_are_those_of_pycocotools():
    generator = np.random.default_rng(0)
    for size in ((1, 1), SIZE, (300, 200), (2000, 3000)):
        for share in (0, 0.01, 0.5, 1):
            mask = np.asfortranarray(generator.random(size) < share, dtype=np.uint8)
            rle = coco_mask.encode(mask)
            counts = decompressed(rle['counts'])
            flat = mask.ravel(order='F')
            changes = np.flatnonzero(np.diff(flat)) + 1
            bounds = np.concatenate([[0], changes, [flat.size]])
            expected = np.diff(bounds) if not flat[0] else np.concatenate([[0], np.diff(bounds)])
            assert counts.tolist() == expected.tolist()
            text = dict(size=list(size), counts=rle['counts'].decode())
            assert (mask_of_encoding(text, size) == mask).all()


@pytest.mark.parametrize(('counts', 'message'), [
    ([5], 'do not fill its size'), ([2400, 1], 'do not fill its size'), ([], 'do not fill'),
    ([10**18], 'longer than the image'), ([-5, 2405], 'shorter than 0'),
    ([10**400], 'must be whole numbers'), ([NAN], 'must be whole numbers'),
    ([2399.5], 'must be whole numbers'), (['2400'], 'must be whole numbers'),
    ([[2400]], 'must be whole numbers'), ([True] * 2400, 'must be whole numbers'),
    (2400, 'must be a list or text'), (None, 'must be a list or text'), ({}, 'must be a list'),
    ('', 'do not fill'), ('o' * 1000, 'do not end'), ('P' * 9 + '0', 'longer than any image'),
    ('\x7f\x7f', 'a letter that no encoding has'), ('é犬', 'do not'), (' ', 'a letter that no'),
])
def test_damaged_encodings(counts, message):
    with pytest.raises(ValueError, match=message):
        mask_of_encoding(dict(size=list(SIZE), counts=counts), SIZE)


@pytest.mark.parametrize('size', [None, [60, 40], [40], 40, '40', [40, 60, 1], {}, [[40], [60]]])
def test_encodings_of_another_size(size):
    with pytest.raises(ValueError, match='does not fit the image of size'):
        mask_of_encoding(dict(size=size, counts=[2400]), SIZE)


@pytest.mark.parametrize(('polygon', 'message'), [
    ([1e9, 0, 5, 5, 0, 9], r'the coordinate 1e\+09, further from the image of 60 x 40 than 10 times'
                           r' .*EXPALIGN_MAX_POLYGON_REACH'),
    ([1e18] * 6, 'further from'), ([-1e9, 0, 5, 5, 0, 9], 'further from'),
    ([-601, 0, 5, 5, 0, 9], 'further from'), ([10**18, 0, 5, 5, 0, 9], 'further from'),
    ([NAN, 0, 5, 5, 0, 9], 'not finite'), ([float('inf'), 0, 5, 5, 0, 9], 'not finite'),
    (['x'] * 6, 'could not convert'), (['1'] * 6, 'could not convert'), ([None] * 6, 'could not'),
    ([10**400] * 6, 'could not convert'), ([[1, 2], [3, 4], [5, 6]], 'could not convert'),
    ([True] * 6, 'could not convert'),
])
def test_polygons_of_others(polygon, message):
    tracemalloc.start()
    for segmentation in ([polygon], [[0, 0, 9, 0, 9, 9], polygon]):
        with pytest.raises(ValueError, match=message):
            polygons_of(segmentation, SIZE)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_polygons_that_reach_out_of_the_image_are_kept(monkeypatch):
    polygon = [-50, -1, 300.5, 0, 5, 55]
    assert checked_polygon(polygon, SIZE).tolist() == polygon
    assert checked_polygon([], SIZE).size == 0
    monkeypatch.setenv('EXPALIGN_MAX_POLYGON_REACH', '1')
    with pytest.raises(ValueError, match='300.5, further'):
        checked_polygon(polygon, SIZE)


def test_the_outline_of_a_small_mask_takes_no_memory_of_a_large_image():
    mask = np.zeros((4000, 5000), dtype=np.uint8)
    mask[3990:3994, 4990:4997] = 1
    tracemalloc.start()
    outline, = outlines(mask)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    points = outline.reshape(-1, 2)
    assert points.min(0).tolist() == [4990, 3990] and points.max(0).tolist() == [4997, 3994]
