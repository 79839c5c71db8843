"""Samples as functions of seed, epoch and index: workers, ranks, epochs, wrappers, the hook."""

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, DefaultSampler
from mmengine.dataset import RepeatDataset as MMEngineRepeatDataset
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import DataLoader

from expalign.datasets import RepeatDataset, TextCocoDataset
from expalign.datasets.sample_seed import SeededSamples, seeded_generators, set_epoch
from expalign.engine.hooks import DatasetEpochHook

ROOT = Path(__file__).parents[2]
NUM_IMAGES = 24


def draws(results):
    """A transform that draws from all three generators; it drops every sixth sample or so."""
    drawn = (results['sample_idx'], random.random(), np.random.rand(), torch.rand(()).item())
    return None if drawn[2] < 0.17 else drawn


@pytest.fixture(scope='module')
def dataset():
    root = ROOT / 'demo' / 'data' / 'mini'
    return TextCocoDataset(
        ann_file=str(root / 'annotations/instances_train2017.json'),
        data_prefix=dict(img='train2017/'), pipeline=[draws])


@pytest.fixture(autouse=True)
def first_epoch(dataset):
    dataset.set_epoch(0)


def load(dataset, workers=0, sampler=None, **kwargs):
    loader = DataLoader(
        dataset, batch_size=4, num_workers=workers, sampler=sampler, collate_fn=list, **kwargs)
    return [sample for batch in loader for sample in batch]


def test_the_number_of_workers_does_not_matter(dataset):
    alone = load(dataset)
    assert len(alone) == len(set(alone)) == NUM_IMAGES
    assert load(dataset, workers=1) == load(dataset, workers=2) == alone
    # Some were dropped: another image is in their place, the same one each time.
    assert 0 < sum(sample[0] != index for index, sample in enumerate(alone)) < NUM_IMAGES / 2


def test_the_order_does_not_matter(dataset):
    backwards = [dataset[index] for index in reversed(range(NUM_IMAGES))]
    assert backwards[::-1] == load(dataset)
    assert dataset[-1] == dataset[NUM_IMAGES - 1]


def test_two_ranks_share_the_samples_of_one(dataset, monkeypatch):
    parts = []
    for rank in range(2):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        parts.append(load(dataset, sampler=DefaultSampler(dataset, shuffle=True, seed=3)))
    assert len(parts[0]) == len(parts[1]) == NUM_IMAGES / 2
    assert set(parts[0] + parts[1]) == set(load(dataset))


def test_epochs_and_seeds_differ_and_come_back(dataset):
    found = {}
    for epoch, seed in ((0, 0), (1, 0), (0, 1), (2**31, 2**32 - 1)):
        dataset.set_epoch(epoch, seed)
        found[epoch, seed] = load(dataset)
    assert len({sample[1:] for samples in found.values() for sample in samples}) == 4 * NUM_IMAGES
    dataset.set_epoch(1, 0)  # as a run that resumes there
    assert load(dataset) == found[1, 0]


def test_living_workers_see_the_epoch(dataset):
    loader = DataLoader(
        dataset, batch_size=4, num_workers=2, collate_fn=list, persistent_workers=True)
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        assert [sample for batch in loader for sample in batch] == load(dataset)


def test_the_global_generators_are_left_as_they_were(dataset):
    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = state()
    dataset[0]
    assert state() == before
    with pytest.raises(KeyError), seeded_generators(1):
        raise KeyError
    assert state() == before
    with seeded_generators(1):  # the block of the error is closed
        first = random.random()
    with seeded_generators(1), seeded_generators(2):  # the outer one counts
        assert random.random() == first


def test_draws_are_uniform_and_not_correlated(dataset):
    values = np.array([[dataset[i][1:] for i in range(NUM_IMAGES)]
                       for epoch in range(40) if dataset.set_epoch(epoch) is None])
    assert np.abs(values[..., [0, 2]].mean((0, 1)) - 0.5).max() < 0.04  # 4 sigma at 960 draws
    flat = values.reshape(-1, 3)
    assert np.abs(np.corrcoef(flat[:-1].T, flat[1:].T) - np.eye(6)).max() < 0.13


def test_wrappers(dataset):
    joined = ConcatDataset([dataset, dataset])
    assert set_epoch(joined, 5, seed=2) == 2
    assert dataset._seed_and_epoch.tolist() == [2, 5]
    repeated = RepeatDataset(dataset, times=3)
    assert isinstance(repeated, SeededSamples)
    assert set_epoch(repeated, 6) == 2
    samples = load(repeated)
    assert len(samples) == len(set(samples)) == 3 * NUM_IMAGES
    assert load(repeated, workers=2) == samples


def test_repetitions_that_would_be_equal_are_an_error(dataset):
    with pytest.raises(TypeError, match="RepeatDataset would give the same .* 'expalign.Repeat"):
        set_epoch(MMEngineRepeatDataset(dataset, times=2), 0)
    others = BaseDataset(lazy_init=True)
    assert set_epoch(MMEngineRepeatDataset(others, times=2, lazy_init=True), 0) == 0


def make_runner(dataset, loop=EpochBasedTrainLoop, **kwargs):
    return SimpleNamespace(
        train_loop=object.__new__(loop), train_dataloader=SimpleNamespace(dataset=dataset),
        seed=7, **kwargs)


def test_hook(dataset):
    hook = DatasetEpochHook()
    runner = make_runner(ConcatDataset([dataset]), epoch=3)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    assert dataset._seed_and_epoch.tolist() == [7, 3]


def test_hook_names_what_it_cannot_seed(monkeypatch):
    hook, lines = DatasetEpochHook(), []
    monkeypatch.setattr(
        'expalign.engine.hooks.dataset_epoch_hook.print_log', lambda text, *_: lines.append(text))
    for epoch in range(2):
        runner = make_runner([1, 2], epoch=epoch)
        hook.before_train(runner)
        hook.before_train_epoch(runner)
    assert len(lines) == 1 and 'the samples of list depend on the number of workers' in lines[0]
    with pytest.raises(TypeError, match='IterBasedTrainLoop does not tell its epochs'):
        hook.before_train(make_runner([], IterBasedTrainLoop))
