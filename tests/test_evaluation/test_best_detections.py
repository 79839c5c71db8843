"""The bounded memory of detections against sorting everything."""

import numpy as np
import pytest

from expalign.evaluation import best_detections as heaps
from expalign.evaluation.best_detections import ClassHeaps, merge_heaps

CLASSES, LIMIT = 6, 10


def make_images(count=60, seed=0):
    """Rows of each image: labels, scores with many ties, and a number that names the row."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        n = rng.integers(0, 20)
        images.append((rng.integers(0, CLASSES, n),
                       rng.integers(0, 12, n).astype(np.float32) / 12, rng.integers(0, 10**6, n)))
    return images


def best(images, limit=LIMIT, skip=()):
    """The names of the rows that should stay, by sorting everything by (score, place)."""
    rows = [(-score, image, rank, label, name)
            for image, (labels, scores, names) in enumerate(images) if image not in skip
            for rank, (label, score, name) in enumerate(zip(labels, scores, names, strict=True))]
    rows.sort()
    kept = [[row for row in rows if row[3] == label][:limit] for label in range(CLASSES)]
    return sorted(row[4] for own in kept for row in own)


def fill(images, order, limit=LIMIT, size=CLASSES):
    store = ClassHeaps(size, limit)
    for image in order:
        labels, scores, names = images[image]
        store.add(labels, scores, image, names=names)
    return store


@pytest.fixture(params=[1, 25, 10**6])
def waiting(request, monkeypatch):
    """After how many rows the classes are thinned out."""
    monkeypatch.setattr(heaps, 'MIN_WAITING', request.param)


@pytest.mark.usefixtures('waiting')
@pytest.mark.parametrize('order', [range(60), range(59, -1, -1)])
def test_the_best_of_every_class_whatever_the_order(order):
    images = make_images()
    columns = fill(images, order).columns()
    assert sorted(columns['names'].tolist()) == best(images)
    assert np.bincount(columns['labels']).max() == LIMIT
    places = list(zip(columns['labels'], columns['image'], columns['rank'], strict=True))
    assert places == sorted(places)


def test_without_a_limit_everything_stays():
    images = make_images()
    columns = fill(images, range(60), limit=None).columns()
    assert len(columns['names']) == sum(len(image[0]) for image in images)


def test_memory_does_not_grow_once_classes_are_full(monkeypatch):
    monkeypatch.setattr(heaps, 'MIN_WAITING', 100)
    store, rng, held = ClassHeaps(CLASSES, LIMIT), np.random.default_rng(0), []
    for image in range(2000):
        store.add(rng.integers(0, CLASSES, 50), rng.random(50), image)
        held.append(len(store))
    # What is kept, what may wait, and one image.
    assert max(held) <= CLASSES * LIMIT + 100 + 50
    assert max(held[1000:]) <= max(held[:1000])


@pytest.mark.usefixtures('waiting')
@pytest.mark.parametrize('limit', [LIMIT, None])
def test_processes_are_merged_and_padding_counts_once(limit):
    images = make_images()
    # Two processes take turns; the second also has images of the first, as padding.
    shares = [list(range(0, 60, 2)), [*range(1, 60, 2), 0, 2, 4]]
    parts = [dict(images=np.array(sorted(share)), columns=fill(images, share, limit).columns())
             for share in shares]
    columns, seen = merge_heaps(parts, CLASSES, limit)
    assert seen.tolist() == list(range(60))
    assert sorted(columns['names'].tolist()) == best(images, limit)


def test_processes_without_anything():
    part = dict(images=np.array([4]), columns=ClassHeaps(CLASSES, LIMIT).columns())
    columns, seen = merge_heaps([part, part], CLASSES, LIMIT)
    assert columns == {} and seen.tolist() == [4]


@pytest.mark.parametrize(('labels', 'scores', 'message'), [
    ([0, 6], [.1, .2], 'labels reach from 0 to 6, there are 6 classes'),
    ([-1, 2], [.1, .2], 'labels reach from -1 to 2'),
    ([0, 1], [.1, np.nan], '1 of 2 scores are not finite'),
])
def test_rows_that_cannot_be(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        ClassHeaps(6, 10).add(np.array(labels), np.array(scores), 0)


def test_limits_that_cannot_be():
    for classes, limit in ((6, 0), (70000, 5)):
        with pytest.raises(ValueError, match='cannot keep the best'):
            ClassHeaps(classes, limit)
