"""Decoded images that worker processes share: equal samples, bounded memory, changed files."""

import multiprocessing
import os
import pickle

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from expalign.datasets import image_cache
from expalign.datasets.image_cache import ALIGNMENT, ImageCache, file_stamp, find_cache, make_cache
from expalign.datasets.transforms import LoadImageFromFile, loading
from expalign.utils.load_config import load_config

RNG = np.random.default_rng(0)
SET = range(3)  # stands for a data set of three images
fork = multiprocessing.get_context('fork')


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(autouse=True)
def no_caches(monkeypatch):
    monkeypatch.setattr(image_cache, '_caches', {})


@pytest.fixture
def decoded(monkeypatch):
    """Counts the files that are decoded in this process."""
    calls, decode = [], loading.decode
    monkeypatch.setattr(loading, 'decode', lambda *a: calls.append(a) or decode(*a))
    return calls


def test_images_come_back_as_copies():
    cache = ImageCache(1 << 20)
    images = {('a',): noise(40, 30, 3), ('b', 1): noise(17, 5), ('c',): noise(3, 3, 4)}
    for number, (key, image) in enumerate(images.items()):
        assert cache.get(key, (number, 9)) is None
        assert cache.put(key, (number, 9), image)
    for number, (key, image) in enumerate(images.items()):
        found = cache.get(key, (number, 9))
        np.testing.assert_array_equal(found, image)
        found[:] = 0
        np.testing.assert_array_equal(cache.get(key, (number, 9)), image)
    assert cache.used() == sum(ALIGNMENT * n for n in (1, 1 + 57, 1 + 2, 1 + 1)) and len(cache) == 3
    assert not cache.put(('d',), (0, 0), np.zeros((2, 2, 3), dtype=np.float32))


def test_memory_is_bounded():
    size = 10 * (ALIGNMENT + 30 * 64) + ALIGNMENT
    cache = ImageCache(size)
    kept = [cache.put((i,), (0, 0), noise(30, 64)) for i in range(25)]
    assert sum(kept) == 10 == len(cache) and all(kept[:10])
    assert cache.used() == size
    # Once full, what is there stays.
    assert cache.get((3,), (0, 0)) is not None and cache.get((24,), (0, 0)) is None
    small = ImageCache(100)
    assert not small.put((0,), (0, 0), noise(30, 64)) and small.used() == ALIGNMENT


def test_a_newer_image_of_a_file_takes_its_place():
    cache = ImageCache(1 << 20)
    old, new = noise(8, 8, 3), noise(9, 7, 3)
    assert cache.put(('a',), (1, 5), old)
    assert not cache.put(('a',), (1, 5), old)  # it is there
    assert cache.get(('a',), (2, 5)) is None and cache.get(('a',), (1, 6)) is None
    assert cache.put(('a',), (2, 5), new)
    np.testing.assert_array_equal(cache.get(('a',), (2, 5)), new)
    assert cache.get(('a',), (1, 5)) is None


def fill(cache, first, barrier):
    barrier.wait()
    for i in range(first, first + 40):
        cache.put((i,), (i, i), np.full((20, 20, 3), i, dtype=np.uint8))
        for j in range(200):
            image = cache.get((j,), (j, j))
            assert image is None or (image == j).all()
    os._exit(0)


def test_processes_share_it():
    """Four write and read at once, with images of their own and of others."""
    cache, barrier = ImageCache(1 << 20), fork.Barrier(4)
    processes = [fork.Process(target=fill, args=(cache, 30 * n, barrier)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    found = [i for i in range(200) if (image := cache.get((i,), (i, i))) is not None
             and (image == i).all()]
    # One that meets another just then does without; a few are lost by that.
    assert len(found) > 100 and max(found) < 130
    assert cache.used() == ALIGNMENT + len(cache) * (ALIGNMENT + 1216)


def test_a_process_that_dies_holds_nobody_up():
    cache = ImageCache(1 << 20)
    assert cache.put(('a',), (0, 0), noise(4, 4))
    process = fork.Process(target=lambda: (cache._lock.acquire(), os._exit(0)))
    process.start()
    process.join(30)
    assert cache.get(('a',), (0, 0)) is not None
    assert not cache.put(('b',), (0, 0), noise(4, 4)) and cache.get(('b',), (0, 0)) is None
    # An entry whose writer died before it was whole is never used.
    half = ImageCache(1 << 20)
    half._reserve(image_cache._digest(('a',)), (0, 0), (4, 4))
    assert half.get(('a',), (0, 0)) is None and half.put(('b',), (0, 0), noise(4, 4))
    assert half.get(('b',), (0, 0)) is not None


def load(loader, path, dataset=SET, **keys):
    return loader.transform(dict(img_path=str(path), dataset=dataset, **keys))['img']


@pytest.mark.parametrize('settings', [{}, dict(color_type='grayscale'), dict(to_float32=True)])
def test_a_file_is_decoded_once(tmp_path, decoded, settings):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), noise(30, 40, 3))
    plain = load(LoadImageFromFile(**settings), path)
    loaders = [LoadImageFromFile(cache_bytes=1 << 20, **settings) for _ in range(2)]
    for loader in (*loaders, *loaders):
        image = load(loader, path)
        np.testing.assert_array_equal(image, plain)
        assert image.dtype == plain.dtype
        image[:] = 0
    assert len(decoded) == 2
    for other in (dict(color_type='unchanged'), dict(imdecode_backend='pillow')):
        np.testing.assert_array_equal(
            load(LoadImageFromFile(cache_bytes=1 << 20, **other), path),
            load(LoadImageFromFile(**other), path))


def test_a_changed_file_is_noticed(tmp_path):
    path, loader = tmp_path / 'a.png', LoadImageFromFile(cache_bytes=1 << 20)
    for size in ((30, 40), (30, 40), (31, 40)):
        image = noise(*size, 3)
        cv2.imwrite(str(path), image)
        np.testing.assert_array_equal(load(loader, path), image)
        np.testing.assert_array_equal(load(loader, path), image)
    path.write_bytes(b'no image')
    with pytest.raises(OSError, match='cannot read image'):
        load(loader, path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match='a.png'):
        load(loader, path)
    assert file_stamp(str(path)) is None and file_stamp('a\0b') is None


def test_the_annotated_size_is_checked_as_ever(tmp_path):
    path, loader = tmp_path / 'a.png', LoadImageFromFile(cache_bytes=1 << 20)
    cv2.imwrite(str(path), noise(30, 40, 3))
    load(loader, path, width=40, height=30)
    with pytest.raises(OSError, match='its annotation says 41 x 30'):
        load(loader, path, width=41, height=30)


def test_what_would_not_fit_is_not_kept(tmp_path, decoded):
    """Half of a set has to fit: 3,600 bytes an image."""
    path, loader = tmp_path / 'a.png', LoadImageFromFile(cache_bytes=36_000)
    cv2.imwrite(str(path), noise(30, 40, 3))
    for dataset, count in ((range(21), 2), ((), 2), (range(20), 1)):
        decoded.clear()
        load(loader, path, dataset)
        load(loader, path, dataset)
        assert len(decoded) == count
    assert len(find_cache(36_000)) == 1


def test_a_process_started_anew_keeps_nothing(tmp_path, decoded, monkeypatch):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), noise(30, 40, 3))
    content = pickle.dumps(LoadImageFromFile(cache_bytes=1 << 20))
    monkeypatch.setattr(image_cache, '_caches', {})
    loader = pickle.loads(content)
    load(loader, path)
    load(loader, path)
    assert len(decoded) == 2 and find_cache(1 << 20) is None


@pytest.mark.parametrize('value', [-1, 1.5, '1', None, True])
def test_other_sizes_are_refused(value):
    with pytest.raises(ValueError, match='cache_bytes must be a whole number'):
        LoadImageFromFile(cache_bytes=value)


def test_no_memory(monkeypatch, tmp_path, decoded):
    """Training goes on without, and the log says so."""
    messages = []
    monkeypatch.setattr(image_cache, 'print_log', lambda message, **rest: messages.append(message))

    def refuse(*arguments):
        raise OSError('Cannot allocate memory')

    with monkeypatch.context() as patch:
        patch.setattr(image_cache.mmap, 'mmap', refuse)
        make_cache(1 << 20)
    make_cache(10**30)
    assert find_cache(1 << 20) is None and find_cache(10**30) is None
    assert messages[0].startswith('no images are kept in memory') and len(messages) == 2
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), noise(30, 40, 3))
    for size in (1, 63, 64, 10**30):
        loader = LoadImageFromFile(cache_bytes=size)
        assert (load(loader, path) == load(loader, path)).all()
    assert len(decoded) == 8


def with_cache(steps, size):
    return [step | (dict(cache_bytes=size) if 'LoadImage' in step['type'] else {}) | (
        dict(pre_transform=with_cache(step['pre_transform'], size))
        if 'pre_transform' in step else {}) for step in steps]


def test_samples_are_equal_with_and_without(run_at_root, decoded):
    """Two epochs of loaders with two workers and with none, against one that keeps nothing."""
    cfg = load_config('configs/_base_/datasets/coco_segmentation.py').train_dataloader.dataset
    cfg = cfg.to_dict()
    assert cfg['pipeline'][0]['cache_bytes'] == 2**30
    cfg.update(type='expalign.TextCocoDataset', data_root='demo/data/mini/')
    samples = []
    with DefaultScope.overwrite_default_scope('mmdet'):
        for size, workers in ((0, 0), (1 << 26, 2), (1 << 26, 0)):
            dataset = DATASETS.build(dict(cfg, pipeline=with_cache(cfg['pipeline'], size)))
            loader = DataLoader(dataset, num_workers=workers, sampler=range(8),
                                collate_fn=lambda batch: batch[0])
            samples.append([])
            for epoch in range(2):
                dataset.set_epoch(epoch)
                samples[-1] += loader
    assert len(find_cache(1 << 26)) >= 20  # written by the workers
    assert len(decoded) < 2 * 8 * 4 + 5  # those of the first loader
    for plain, *others in zip(*samples, strict=True):
        for other in others:
            assert torch.equal(plain['inputs'], other['inputs'])
            assert other['data_samples'].text == plain['data_samples'].text
            found, expected = (x['data_samples'].gt_instances for x in (other, plain))
            assert torch.equal(found.bboxes.tensor, expected.bboxes.tensor)
            assert torch.equal(found.labels, expected.labels)
