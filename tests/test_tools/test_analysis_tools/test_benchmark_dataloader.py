"""Tables of tools/analysis_tools/benchmark_dataloader.py."""

import runpy
import time

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

SCRIPT = 'tools/analysis_tools/benchmark_dataloader.py'
DATA = 'demo/data/mini/'


@pytest.fixture(scope='module')
def script(run_at_root):
    return runpy.run_path(SCRIPT)


def test_the_comparison_has_the_same_steps(script):
    pipeline = Config.fromfile('configs/_base_/datasets/coco_segmentation.py').train_pipeline
    steps = script['as_mmyolo'](pipeline)
    assert [step['type'] for step in steps] == [
        'mmcv.LoadImageFromFile', 'mmyolo.LoadAnnotations', 'mmyolo.Mosaic',
        'mmyolo.YOLOv5RandomAffine', 'mmyolo.YOLOv5HSVRandomAug', 'mmdet.RandomFlip',
        'mmdet.PackDetInputs']
    assert [step['type'] for step in steps[2]['pre_transform']] == [
        'mmcv.LoadImageFromFile', 'mmyolo.LoadAnnotations']
    assert steps[3]['border'] == (-320, -320) and steps[5]['prob'] == 0.5
    assert len(script['without_prompts'](pipeline)) == len(pipeline) - 1
    with pytest.raises(ValueError, match='nothing in mmyolo is like the step expalign.Other'):
        script['as_mmyolo']([dict(type='expalign.Other')])


def test_tables(script):
    means = {'config': [0.02, 0.03, 0.04], 'config without SamplePrompts': [0.016, 0.025, 0.04],
             'mmyolo': [0.02, 0.025, 0.05]}
    assert script['rate_table'](means) == [
        '| pipeline | images/s a worker | ms an image | time / config without SamplePrompts | '
        'time / mmyolo |',
        '|---|---|---|---|---|',
        '| config | 33.3 | 30.00 | 1.200 | 1.000 |',
        '| config without SamplePrompts | 40.0 | 25.00 | 1.000 | 0.800 |',
        '| mmyolo | 40.0 | 25.00 | 1.250 | 1.000 |']


def test_clock_takes_inner_steps_off(script):
    def work(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    clock = script['Clock']()
    inner = clock.timed('inner', work)
    outer = clock.timed('outer', lambda: (work(0.02), inner(0.04), inner(0.02)))
    outer()
    assert clock.seconds['inner'] == pytest.approx(0.06, abs=0.01)
    assert clock.seconds['outer'] == pytest.approx(0.02, abs=0.01)


def test_run(run_script, capsys):
    with DefaultScope.overwrite_default_scope('mmdet'):
        run_script(SCRIPT, 'configs/_base_/datasets/coco_detection.py', '--samples', 2,
                   '--rounds', 1, '--cfg-options', f'train_dataloader.dataset.data_root={DATA}',
                   'train_dataloader.dataset.type=expalign.TextCocoDataset')
    output = capsys.readouterr().out
    assert output.count('round ') == 2
    for name in ('| config |', '| mmyolo |', '| Mosaic: LoadImageFromFile |', '| SamplePrompts |'):
        assert name in output
