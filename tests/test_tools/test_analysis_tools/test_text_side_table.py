"""The parts of the table of text sides that need no data."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

TOOLS = Path(__file__).parents[3] / 'tools' / 'analysis_tools'


@pytest.fixture(scope='module')
def table():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location('text_side_table', TOOLS / 'text_side_table.py')
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def test_seeds_of_a_recipe_share_a_name(table):
    def recipe(file, known=False):
        return table.TextSide(file, known).recipe()
    assert recipe('a/b/eot_0.safetensors') == recipe('eot_12.safetensors') == 'eot'
    assert recipe('held-eot-fit_1.safetensors') == 'held-eot-fit'
    assert recipe('eot.safetensors') == 'eot'
    assert recipe('eot_0.safetensors', known=True) == 'table + eot'


def test_figures_with_and_without_the_table_are_told_apart(table, tmp_path):
    (tmp_path / 'a.safetensors').write_bytes(b'a')
    file = str(tmp_path / 'a.safetensors')
    digests = {table.TextSide(file, known).digest(side) for known in (False, True)
               for side in ('one', 'other')}
    assert len(digests) == 4


def test_cells_give_mean_and_sample_deviation(table):
    assert table.cells([[0.36, 0.5], [0.37, 0.52], [0.38, 0.54]]) == (
        '0.360, 0.370, 0.380 | 0.370 ± 0.010 | 0.520 ± 0.020')
    assert table.cells([[0.36, 0.5]]) == '0.360 | | 0.500'


def test_the_backbone_runs_once_for_a_batch(table):
    calls = []

    class Backbone(nn.Module):
        def forward(self, images):
            calls.append(len(images))
            return images + 1, images * 2

    kept = {}
    first, second = (table.RememberingBackbone(Backbone(), kept) for _ in range(2))
    images = torch.rand(2, 3, 4, 4)
    for got, expected in zip(first(images), second(images.clone()), strict=True):
        assert torch.equal(got, expected)
    first(images + 1)
    assert calls == [2, 2]


def test_prompts_of_packages_and_distractors(table, tmp_path):
    raccoon = tmp_path / 'odinw' / 'Raccoon'
    raccoon.mkdir(parents=True)
    (raccoon / 'annotations.json').write_text(json.dumps(
        dict(images=[], annotations=[], categories=[dict(id=3, name='raccoon')])))
    content, images = table.coco_style(tmp_path, 'Raccoon with 6 distractors')
    assert images == raccoon / 'images'
    assert [c['name'] for c in content['categories']] == [
        'raccoon', 'cat', 'dog', 'bear', 'fox', 'person', 'squirrel']
    assert [c['id'] for c in content['categories']] == [3, 4, 5, 6, 7, 8, 9]
    assert table.coco_style(tmp_path, 'coco-mini val') is None
