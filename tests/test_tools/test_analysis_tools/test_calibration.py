"""The tables of calibration.py."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from expalign.evaluation.pooled import Judged

TOOL = Path(__file__).parents[3] / 'tools/analysis_tools/calibration.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('calibration', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_by_hand(tool):
    judged = Judged(np.array([0.9, 0.8, 0.6, 0.3]), np.array([0, 1, 0, 1]),
                    np.array([True, False, True, True]), np.array([3, 1, 0]))
    lines = list(tool.report(judged, ['owl', 'cat', 'dog'], 0.5))
    for line in (
            '| pooled, 4 instances | |', '| F1 at 0.5 | 0.571 |', '| best F1 | 0.750 at 0.150 |',
            '| 0.5 | 0.571 | 3 | 0.667 |', '| 0.8 to 0.9 | 1 | 0.900 | 1.000 |',
            '| 0.2 to 0.3 | 1 | 0.300 | 1.000 |',
            '| owl | 3 | 0.663 | 0.300 | 0.800 | 0.800 |',
            '| cat | 1 | 0.500 | 0.150 | 0.667 | 0.000 |'):
        assert line in lines, (line, lines)
    assert not any(line.startswith('| dog') for line in lines)


def test_nothing_found(tool):
    judged = Judged(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), np.array([2]))
    assert '| owl | 2 | 0.000 | - | 0.000 | 0.000 |' in list(tool.report(judged, ['owl'], 0.5))


def test_the_annotations_are_the_evaluators(tool):
    assert tool.annotation_file(Config(dict(test_evaluator=[dict(type='a'), dict(
        type='b', ann_file='x.json')]))) == 'x.json'
    with pytest.raises(SystemExit, match='names no ann_file'):
        tool.annotation_file(Config(dict(test_evaluator=dict(type='a'))))
