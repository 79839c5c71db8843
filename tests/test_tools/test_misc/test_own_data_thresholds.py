"""How thresholds of classes are chosen: both halves, and the figures by hand."""

import importlib.util

import numpy as np
import pytest

from expalign.evaluation.pooled import Judged

TOOL = 'tools/misc/own_data_thresholds.py'


@pytest.fixture(scope='module')
def tool(repo_root):
    spec = importlib.util.spec_from_file_location('own_data_thresholds', repo_root / TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_halves(tool):
    found = list(tool.halves(5))
    assert len(found) == 2 * tool.HALVINGS
    for chosen, measured in found:
        assert sorted([*chosen, *measured]) == [0, 1, 2, 3, 4]
    assert [len(chosen) for chosen, _ in found[:4]] == [2, 3, 2, 3]


def test_figures(tool):
    # Both images alike: right at 0.9, wrong at 0.5; the default, 0.083 for two, shows both.
    image = Judged(np.array([0.9, 0.5]), np.array([0, 0]), np.array([True, False]),
                   np.array([1, 0]))
    found = tool.figures([image, image])
    assert found == pytest.approx([2 / 3] + [1.0] * 5)
