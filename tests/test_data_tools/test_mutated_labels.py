"""Label files with one small fault: data that are used, or one error with the file's name.

Whatever the fault, nothing is lost without a count. Every mutation is seeded by its number, which
the assertions show.
"""

import json
import random
import time
from pathlib import Path

import pytest

from expalign.data_tools.own_data import recognise
from tests.helpers.annotations import coco_content, write_image
from tests.helpers.file_mutations import mutate_bytes, mutate_value
from tests.helpers.label_folders import (
    CVAT_BOX,
    cvat_file,
    cvat_image,
    labelme_content,
    via_content,
    voc_file,
    voc_object,
)

SECONDS = 10
POLYGON = {'name': 'polygon', 'all_points_x': [10, 50, 10], 'all_points_y': [10, 10, 40]}
CIRCLE = {'name': 'circle', 'cx': 50, 'cy': 40, 'r': 10}
SHAPES = [{}, {'shape_type': 'polygon', 'points': [[10, 10], [50, 10], [10, 40]], 'group_id': 1},
          {'shape_type': 'circle', 'points': [[50, 40], [53, 44]]}]
JSON_FILES = {
    'a.json': labelme_content('a.jpg', SHAPES),
    'via.json': via_content(['a.jpg'], [{}, {'shape_attributes': POLYGON},
                                        {'shape_attributes': CIRCLE}]),
    'via3.json': {
        'project': {}, 'view': {'1': {'fid_list': [7]}}, 'file': {'7': {'fname': 'a.jpg'}},
        'attribute': {'1': {'aname': 'kind', 'options': {'0': 'cup'}}},
        'metadata': {str(i): {'vid': '1', 'z': [], 'xy': xy, 'av': {'1': '0'}}
                     for i, xy in enumerate(([2, 5, 5, 9, 9], [7, 1, 1, 9, 1, 9, 9]))}},
    'coco.json': coco_content([{'id': 1, 'file_name': 'a.jpg'}], [
        {'image_id': 1, 'category_id': 10, 'bbox': [5, 5, 30, 40], 'area': 9}], ['cup', 'plate'])}
TEXT_FILES = {
    'a.xml': voc_file('a.jpg', voc_object() + voc_object('b', (1, 2, 30, 40))),
    'cvat.xml': cvat_file(cvat_image('a.jpg', CVAT_BOX + (
        '<polygon label="red cup" points="10,10;50,10;10,40"/>'
        '<mask label="red cup" rle="1,2,1,8" left="10" top="20" width="4" height="3"/>'))),
    'boxes.csv': 'filename,class,xmin,ymin,xmax,ymax\na.jpg,cup,1,2,30,40\na.jpg,b,5,6,50,60\n',
    'plain.csv': 'a.jpg,55,20,75,60,cup\na.jpg,25,20,75,60,cup\n'}


def mutated(name, rng):
    if name in TEXT_FILES:
        return mutate_bytes(TEXT_FILES[name].encode(), rng)
    text = json.dumps(mutate_value(json.loads(json.dumps([JSON_FILES[name]])), rng)[:1] or [0])
    text = text[1:-1].encode()
    return mutate_bytes(text, rng) if rng.random() < 0.2 else text


def check(name, root, number):
    """Whether the data are used."""
    (root / name).write_bytes(mutated(name, random.Random(number)))
    started = time.process_time()
    try:
        data = recognise(root, root.parent / 'work')
    except (ValueError, OSError, RuntimeError) as error:
        assert not isinstance(error, UnicodeError | RecursionError | json.JSONDecodeError), (
            number, repr(error))
        assert str(root) in str(error), (number, repr(error))
        assert len(str(error)) < 3000, number
        return False
    finally:
        assert time.process_time() - started < SECONDS, number
    (ann_file, folder), = data.splits.values()
    content = json.loads(Path(ann_file).read_text())
    if name != 'coco.json':  # which is used as it is, and checked in training
        for annotation in content['annotations']:
            x, y, width, height = annotation['bbox']
            assert min(x, y) >= 0 < min(width, height, annotation['area']), number
            assert x + width <= 100.001 and y + height <= 80.001, number
        assert {c['name'] for c in content['categories']} >= set(data.classes), number
        assert (Path(folder) / content['images'][0]['file_name']).is_file(), number
    return True


def run(name, tmp_path, numbers):
    root = tmp_path / 'data'
    write_image(root / 'a.jpg')
    used = sum(check(name, root, number) for number in numbers)
    assert 0.05 < used / len(numbers) < 0.98, used
    assert not [path for path in tmp_path.rglob('*') if path.name.endswith('.partial')]


@pytest.mark.parametrize('name', [*JSON_FILES, *TEXT_FILES])
def test_a_few_mutations(tmp_path, name):
    run(name, tmp_path, range(100))


@pytest.mark.slow
@pytest.mark.parametrize('name', [*JSON_FILES, *TEXT_FILES])
def test_many_mutations(tmp_path, name):
    run(name, tmp_path, range(100, 2100))
