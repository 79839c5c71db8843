"""Which metrics are asked for result files, and under which names."""

import pytest
from mmengine.config import ConfigDict

from expalign.engine.result_export import set_json_prefix

COCO = dict(type='expalign.CocoMetric', ann_file='a.json')
OTHER = dict(type='expalign.RefExpMetric')


def lvis(protocol):
    return dict(type='expalign.LVISMetric', ann_file='a.json', protocol=protocol)


def test_one_metric():
    metric = ConfigDict(COCO)
    set_json_prefix(metric, 'out/run')
    assert metric == dict(COCO, outfile_prefix='out/run', format_only=False)


def test_metrics_in_lists_and_evaluators_get_names_of_their_own():
    evaluators = [ConfigDict(lvis('fixed')), ConfigDict(lvis('standard')), ConfigDict(OTHER),
                  ConfigDict(type='Evaluator', metrics=[lvis('fixed'), COCO])]
    set_json_prefix(evaluators, 'run', format_only=True)
    inner = evaluators[3]['metrics']
    assert [m['outfile_prefix'] for m in (*evaluators[:2], *inner)] == [
        'run', 'run', 'run.1', 'run']
    assert all(m['format_only'] for m in (*evaluators[:2], *inner))
    assert evaluators[2] == OTHER


def test_nothing_to_ask():
    with pytest.raises(ValueError, match='no metric of test_evaluator writes result files'):
        set_json_prefix([ConfigDict(OTHER)], 'run')
