"""Mixtures: weights, epochs, one pipeline for all, mosaic across sources, training."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, HOOKS, DefaultScope
from mmengine.runner import Runner

from expalign.datasets import MixtureDataset, TextCocoDataset
from expalign.datasets.sample_contract import check_sample
from expalign.datasets.sample_seed import set_epoch
from tests.helpers.sources import coco_source, mdetr_source, odvg_source, refs_source

ROOT = Path(__file__).parents[2]


def keep(results):
    return results


def mixture(*datasets, **changes):
    return DATASETS.build(dict(type='expalign.MixtureDataset', datasets=list(datasets)) | changes)


def files(dataset):
    return Counter(Path(dataset.get_data_info(i)['img_path']).stem for i in range(len(dataset)))


@pytest.fixture
def two(tmp_path):
    """Four images with captions and three of a detection set."""
    return mdetr_source(tmp_path, 4), coco_source(tmp_path, 3)


def test_without_weights_it_is_a_concatenation(two):
    dataset = mixture(*two)
    assert len(dataset) == 7 and dataset.epoch_sizes() == [4, 3]
    assert [dataset.get_data_info(i)['sample_idx'] for i in range(7)] == list(range(7))
    assert dataset.get_data_info(4)['source'] == 'coco' and dataset.get_cat_ids(4) == [0, 1]
    assert set(files(dataset).values()) == {1}


def test_weights_repeat_and_leave_out(two):
    dataset = mixture(*two, weights=[2.5, 1 / 3])
    assert dataset.epoch_sizes() == [10, 1] and len(dataset) == 11
    counts = files(dataset)
    assert sorted(counts[f'mdetr_{i}'] for i in range(4)) == [2, 2, 3, 3]
    assert sum(counts[f'coco_{i}'] for i in range(3)) == 1
    assert dataset.num_images == 7


def test_an_epoch_is_a_function_of_seed_and_epoch(two):
    def draws(dataset, seed, epoch):
        set_epoch(dataset, epoch, seed)
        return tuple(dataset.image_index(i) for i in range(len(dataset)))

    dataset, other = mixture(*two, weights=[0.5, 1]), mixture(*two, weights=[0.5, 1])
    epochs = [draws(dataset, 0, epoch) for epoch in range(12)]
    assert draws(other, 0, 3) == epochs[3] and draws(dataset, 0, 3) == epochs[3]
    assert len(set(epochs)) > 3
    assert len({draws(dataset, seed, 0) for seed in range(12)}) > 3
    assert set().union(*epochs) == set(range(7))  # every image has its turn


def test_meta_information_is_joined(two, tmp_path):
    assert mixture(*two).metainfo == dict(
        classes=('red box', 'blue box', 'green box'), palette='random')
    dataset = mixture(odvg_source(tmp_path), two[1])
    assert dataset.metainfo['classes'] == ('green box', 'red box', 'blue box')


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(weights=[1]), "'weights' must be one positive number for each of the 2 data sets"),
    (dict(weights=[1, 0]), "'weights' must be"),
    (dict(weights=[1, float('nan')]), "'weights' must be"),
])
def test_bad_weights(two, changes, message):
    with pytest.raises(ValueError, match=message):
        mixture(*two, **changes)


def test_its_data_sets_have_no_pipeline(two):
    with pytest.raises(ValueError, match="data set 1 of the mixture has a 'pipeline'"):
        mixture(two[0], two[1] | dict(pipeline=[dict(type='expalign.LoadImageFromFile')]))
    with pytest.raises(ValueError, match="'datasets' of the mixture is empty"):
        mixture()
    with pytest.raises(TypeError, match="is a RepeatDataset: list plain data sets and repeat them"):
        mixture(dict(type='expalign.RepeatDataset', times=2, dataset=two[0]))


def test_samples_have_the_mixture_as_their_data_set(two):
    dataset = MixtureDataset([DATASETS.build(config) for config in two], pipeline=[keep])
    assert dataset[0]['dataset'] is dataset and dataset[6]['dataset'] is dataset
    assert 'dataset' not in mixture(*two, pipeline=[keep], test_mode=True)[0]


def test_the_pipeline_can_be_switched(two):
    """As mmdet's hook does it, which a plain concatenation would not notice."""
    dataset = mixture(*two, pipeline=[keep])

    class Loader:
        persistent_workers = False

    loader = Loader()
    loader.dataset = dataset
    runner = type('Runner', (), dict(epoch=3, train_dataloader=loader, logger=type(
        'Logger', (), dict(info=staticmethod(print)))))
    with DefaultScope.overwrite_default_scope('mmdet'):
        HOOKS.build(dict(
            type='mmdet.PipelineSwitchHook', switch_epoch=3,
            switch_pipeline=[dict(type='expalign.LoadImageFromFile')])).before_train_epoch(runner)
    assert dataset[0]['img'].shape == dataset[6]['img'].shape == (40, 60, 3)


def training_pipeline(size, mosaic=True):
    """That of the segmentation configs, at another size."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / 'coco_segmentation.py')
    pipeline = cfg.train_pipeline if mosaic else cfg.train_pipeline_stage2
    for step in pipeline:
        for key in ('img_scale', 'scale'):
            if key in step:
                step[key] = (size, size)
        if 'border' in step:
            step.border = (-size // 2, -size // 2)
    return pipeline


def full_mixture(folder, **changes):
    """All kinds of sources with the segmentation pipeline at 64 pixels."""
    return dict(
        type='expalign.MixtureDataset', weights=[1, 0.5, 2, 1], check_samples=True,
        datasets=[source(folder) for source in (
            coco_source, mdetr_source, odvg_source, refs_source)],
        pipeline=training_pipeline(64)) | changes


def test_mosaic_mixes_all_sources(tmp_path):
    """Every sample keeps the contract; detection and grounding data do not meet in one mosaic."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(full_mixture(tmp_path))
        assert len(dataset) == 3 + 2 + 4 + 2
        sources, both = set(), 0
        for index in range(len(dataset)):
            sample = dataset[index]
            check_sample(sample)
            meta = sample['data_samples'].metainfo
            sources.add(meta['source'])
            words = {name for name, positive in zip(meta['text'], meta['positives'], strict=True)
                     if positive}
            both += bool(words & {'red box', 'blue box'}) and bool(
                words & {'A red box', 'a small blue box', 'left box', 'red one', 'right box'})
    assert sources == {'coco', 'mdetr', 'odvg', 'instances'} and not both


def test_samples_do_not_depend_on_workers(tmp_path):
    """Nor on what was loaded before; two epochs differ."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        def inputs(workers, epoch):
            dataset = DATASETS.build(full_mixture(tmp_path))
            set_epoch(dataset, epoch, 7)
            loader = Runner.build_dataloader(dict(
                batch_size=4, num_workers=workers, dataset=dataset,
                sampler=dict(type='mmengine.DefaultSampler', shuffle=False),
                collate_fn=dict(type='mmengine.pseudo_collate')))
            return torch.stack([image for batch in loader for image in batch['inputs']][:11])

        first = inputs(0, 2)
        assert torch.equal(first, inputs(2, 2)) and not torch.equal(first, inputs(0, 3))


@pytest.mark.slow
def test_the_small_model_trains_from_detection_and_grounding_data(tmp_path, monkeypatch):
    """Two epochs of the small model with masks; the second without mosaic."""
    monkeypatch.chdir(ROOT)
    cfg = Config.fromfile('configs/mini/expalign_mini-seg.py')
    cfg.work_dir = str(tmp_path / 'run')
    cfg.train_dataloader = dict(
        batch_size=4, num_workers=0, sampler=dict(type='mmengine.DefaultSampler', shuffle=True),
        drop_last=True, dataset=full_mixture(tmp_path, pipeline=training_pipeline(128)))
    for key in ('val_dataloader', 'val_evaluator', 'val_cfg', 'test_dataloader', 'test_evaluator',
                'test_cfg'):
        cfg[key] = None
    cfg.train_cfg = dict(by_epoch=True, max_epochs=2)
    cfg.default_hooks.logger.interval = 1
    cfg.custom_hooks = [dict(type='mmdet.PipelineSwitchHook', switch_epoch=1,
                             switch_pipeline=training_pipeline(128, mosaic=False))]
    runner = Runner.from_cfg(cfg)
    before = [p.detach().clone() for p in runner.model.parameters() if p.requires_grad]
    runner.train()
    after = [p.detach() for p in runner.model.parameters() if p.requires_grad]
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    losses = [value for key in ('loss', 'loss_cls', 'loss_bbox', 'loss_mask')
              for value in runner.message_hub.get_scalar(f'train/{key}').data[0]]
    assert np.isfinite(losses).all() and len(losses) == 4 * 4
    kinds = [type(step).__name__ for step in runner.train_dataloader.dataset.pipeline.transforms]
    assert 'Mosaic' not in kinds and isinstance(
        runner.train_dataloader.dataset.datasets[0], TextCocoDataset)
