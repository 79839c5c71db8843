"""Task ``dataloader``: the comparison of pipelines, and the rate of the loader's processes."""

import argparse
import time

import pytest
from benchmarks import dataloader, loader_comparison
from mmengine.config import Config
from mmengine.registry import DefaultScope

DATA = 'demo/data/mini/'
OVER_MINI = ('configs/_base_/datasets/coco_detection.py', '--cfg-options',
             f'train_dataloader.dataset.data_root={DATA}',
             'train_dataloader.dataset.type=expalign.TextCocoDataset',
             'train_dataloader.batch_size=4')


def run(*arguments: object) -> str:
    parser = argparse.ArgumentParser()
    dataloader.add_arguments(parser)
    with DefaultScope.overwrite_default_scope('mmdet'):
        return dataloader.run(parser.parse_args([str(argument) for argument in arguments]))


def test_the_comparison_has_the_same_steps():
    pipeline = Config.fromfile('configs/_base_/datasets/coco_segmentation.py').train_pipeline
    steps = loader_comparison.as_mmyolo(pipeline)
    assert [step['type'] for step in steps] == [
        'mmcv.LoadImageFromFile', 'mmyolo.LoadAnnotations', 'mmyolo.Mosaic',
        'mmyolo.YOLOv5RandomAffine', 'mmyolo.YOLOv5HSVRandomAug', 'mmdet.RandomFlip',
        'mmdet.PackDetInputs']
    assert [step['type'] for step in steps[2]['pre_transform']] == [
        'mmcv.LoadImageFromFile', 'mmyolo.LoadAnnotations']
    assert steps[3]['border'] == (-320, -320) and steps[5]['prob'] == 0.5
    assert len(loader_comparison.without_prompts(pipeline)) == len(pipeline) - 1
    with pytest.raises(ValueError, match='nothing in mmyolo is like the step expalign.Other'):
        loader_comparison.as_mmyolo([dict(type='expalign.Other')])


def test_tables():
    means = {'config': [0.02, 0.03, 0.04], 'config without SamplePrompts': [0.016, 0.025, 0.04],
             'mmyolo': [0.02, 0.025, 0.05]}
    assert loader_comparison.rate_table(means) == [
        '| pipeline | images/s a worker | ms an image | time / config without SamplePrompts | '
        'time / mmyolo |',
        '|---|---|---|---|---|',
        '| config | 33.3 | 30.00 | 1.200 | 1.000 |',
        '| config without SamplePrompts | 40.0 | 25.00 | 1.000 | 0.800 |',
        '| mmyolo | 40.0 | 25.00 | 1.250 | 1.000 |']


def test_clock_takes_inner_steps_off():
    def work(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    clock = loader_comparison.Clock()
    inner = clock.timed('inner', work)
    outer = clock.timed('outer', lambda: (work(0.02), inner(0.04), inner(0.02)))
    outer()
    assert clock.seconds['inner'] == pytest.approx(0.06, abs=0.01)
    assert clock.seconds['outer'] == pytest.approx(0.02, abs=0.01)


def test_comparison(run_at_root, capsys):
    text = run(*OVER_MINI, '--samples', 2, '--rounds', 1)
    assert capsys.readouterr().out.count('round ') == 2
    for name in ('| config |', '| config, images in memory |', '| mmyolo |',
                 '| Mosaic: LoadImageFromFile |', '| SamplePrompts |'):
        assert name in text


def test_rate_of_the_loader(run_at_root):
    text = run(*OVER_MINI, '--workers', 1, '--batches', 3, '--step-rate', 50,
               '--pipeline', 'train_pipeline_stage2')
    assert 'batches of 4, 3 timed' in text
    [row] = [line for line in text.splitlines() if line.startswith('|') and ' 1 |' in line]
    rate, alone, share, taking = map(float, row.strip('|').split('|')[1:])
    assert rate == alone > 0 and share == pytest.approx(rate / 50, abs=0.01)
    assert 0 < taking < 1000
    with pytest.raises(ValueError, match="no 'pipeline'; it has test_pipeline, train_pipel"):
        run(*OVER_MINI, '--workers', 1, '--pipeline', 'pipeline')
