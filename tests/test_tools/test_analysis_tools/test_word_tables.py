"""The parts of the tables of hints and of a search for everything that need no model."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from expalign.structures.detections import Detections

TOOLS = Path(__file__).parents[3] / 'tools' / 'analysis_tools'


def script(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def everything():
    return script('everything_table')


@pytest.fixture(scope='module')
def hint():
    return script('hint_table')


def test_overlaps_by_hand(everything):
    boxes = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    other = np.array([[5.0, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 25]])
    np.testing.assert_allclose(
        everything.overlaps(boxes, other), [[1 / 3, 1, 0], [0, 0, 0.5]], atol=1e-12)


@pytest.mark.parametrize('found, right', [
    ('person', True), ('people', True), ('man', True), ('bow (weapon)', False), ('horse', False)])
def test_names_that_count_as_right(everything, found, right):
    assert everything.is_name_of(found, 'person') is right


def test_a_part_of_the_annotations(everything, tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(dict(
        images=[dict(id=i) for i in range(5)],
        annotations=[dict(id=i, image_id=i % 5) for i in range(9)], categories=[])))
    everything.write_part(tmp_path / 'a.json', tmp_path / 'b.json', 2)
    part = json.loads((tmp_path / 'b.json').read_text())
    assert [image['id'] for image in part['images']] == [0, 2, 4]
    assert [x['id'] for x in part['annotations']] == [0, 2, 4, 5, 7]


def test_photographs_and_ap_by_hand(hint, tmp_path):
    """Two cats in two photographs, one found exactly and above a wrong box: half of the recall."""
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations/instances_val2017.json').write_text(json.dumps(dict(
        images=[dict(id=i, file_name=f'{i}.jpg') for i in range(4)],
        categories=[dict(id=7, name='cat')],
        annotations=[dict(image_id=i, category_id=7, bbox=[0, 0, 10, 10]) for i in (1, 3)])))
    photographs = hint.Photographs(tmp_path, 2)
    images = photographs.chosen('cat')
    assert sorted(images[:2]) == [1, 3] and images[2] in (0, 2) and len(images) == 3
    empty = Detections(np.zeros((0, 4)), [], [], ['cat'], (20, 20), threshold=0)
    one = Detections([[0, 0, 10, 10], [5, 5, 20, 20]], [0.9, 0.8], [0, 0], ['cat'], (20, 20),
                     threshold=0)
    ap = hint.average_precision(photographs, 'cat', [1, 3], [one, empty])
    assert ap == pytest.approx(51 / 101)  # precision 1 at recalls of 0 to 0.5
