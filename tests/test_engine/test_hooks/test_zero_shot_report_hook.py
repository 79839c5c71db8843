"""The report holds the results of the first and of the averaged last weights."""

import json
import logging

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import METRICS

from expalign.engine.hooks import ZeroShotReportHook
from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import GeneratedImages, make_runner

WEIGHT = 'neck.embed_branches.0.2.weight'


@METRICS.register_module()
class WeightSumMetric(BaseMetric):
    """Tells which weights were tested; it counts images, too."""

    model = None

    def process(self, data_batch, data_samples):
        self.results.extend('pred_instances' in sample for sample in data_samples)

    def compute_metrics(self, results):
        assert all(results)
        return dict(weight=float(self.model.state_dict()[WEIGHT].sum()), images=len(results))


class SeenMode(Hook):
    """Training goes on in training mode after the report."""

    def before_train_iter(self, runner, **kwargs):
        assert runner.model.training


HOOK = dict(
    type='expalign.ZeroShotReportHook',
    dataloader=dict(
        dataset=GeneratedImages(3), batch_size=2, num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate')),
    evaluator=dict(type='WeightSumMetric'))
EMA = dict(type='expalign.TrainableEMAHook', ema_type='mmyolo.ExpMomentumEMA', momentum=0.1,
           gamma=2, update_buffers=True)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))


def make(model, folder, **settings):
    runner = make_runner(model, folder, custom_hooks=[EMA, HOOK, SeenMode()], **settings)
    WeightSumMetric.model = runner.model
    return runner


def test_before_after_and_change(model, tmp_path):
    runner = make(model, tmp_path / 'run')
    runner.train()
    report = json.loads((tmp_path / 'run/zero_shot_report.json').read_text())
    saved = torch.load(tmp_path / 'run/epoch_2.pth', weights_only=False)
    average = float(saved['state_dict'][WEIGHT].sum())
    assert report['after']['weight'] == pytest.approx(average, rel=1e-6)
    assert float(runner.model.state_dict()[WEIGHT].sum()) != pytest.approx(average, rel=1e-6)
    assert report['before']['images'] == report['after']['images'] == 3
    assert report['before']['weight'] != report['after']['weight']
    assert report['change'] == {
        'weight': report['after']['weight'] - report['before']['weight'], 'images': 0.0}

    # A resumed run keeps what was measured before the first step.
    resumed = make(model, tmp_path / 'run', epochs=3, resume=True)
    resumed.train()
    again = json.loads((tmp_path / 'run/zero_shot_report.json').read_text())
    assert again['before'] == report['before'] and again['after'] != report['after']


def test_resumed_without_a_report(model, tmp_path, caplog):
    make(model, tmp_path / 'run', epochs=1).train()
    (tmp_path / 'run/zero_shot_report.json').unlink()
    runner = make(model, tmp_path / 'run', epochs=2, resume=True)
    with caplog.at_level(logging.WARNING):
        runner.train()
    report = json.loads((tmp_path / 'run/zero_shot_report.json').read_text())
    assert report['before'] is None and 'change' not in report and report['after']['images'] == 3


def test_it_is_registered():
    from expalign.registry import HOOKS
    assert HOOKS.get('expalign.ZeroShotReportHook') is ZeroShotReportHook
