"""The parity script: its preparation of data, and the figures themselves on real weights."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from expalign.checkpoints.fetch import MEMBER, VARIABLE, cache_folder, yolo_world_checkpoint

SCRIPT = 'tools/analysis_tools/warm_start_parity.py'


@pytest.fixture(scope='module')
def parity(repo_root):
    """The script as a module."""
    spec = importlib.util.spec_from_file_location('warm_start_parity', repo_root / SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_split(folder, names, boxes, categories=('dog', 'person')):
    """A split of a data set; ``boxes``: index of the image of every box."""
    folder.mkdir(parents=True)
    content = dict(
        images=[dict(id=index, file_name=name) for index, name in enumerate(names)],
        annotations=[dict(id=index, image_id=image, category_id=1)
                     for index, image in enumerate(boxes)],
        categories=[dict(id=index, name=name) for index, name in enumerate(categories)])
    (folder / 'annotations_without_background.json').write_text(json.dumps(content))


def test_splits_are_merged_under_new_ids(parity, tmp_path):
    write_split(tmp_path / 'valid', ['a.jpg', 'b.jpg'], [1, 1])
    write_split(tmp_path / 'test', ['a.jpg'], [0])
    merged = parity.merge_splits(tmp_path, ('valid', 'test'))
    assert [(x['id'], x['file_name']) for x in merged['images']] == [
        (0, 'valid/a.jpg'), (1, 'valid/b.jpg'), (2, 'test/a.jpg')]
    assert [(x['id'], x['image_id']) for x in merged['annotations']] == [(1, 1), (2, 1), (3, 2)]
    write_split(tmp_path / 'train', ['a.jpg'], [0], categories=('cat',))
    with pytest.raises(ValueError, match='train has other categories than'):
        parity.merge_splits(tmp_path, ('valid', 'train'))


def test_distractors_are_categories_without_boxes(parity, tmp_path):
    folder = tmp_path / 'odinw' / 'Raccoon'
    folder.mkdir(parents=True)
    (folder / 'annotations.json').write_text(json.dumps(
        dict(images=[], annotations=[], categories=[dict(id=1, name='raccoon')])))
    options = parity.row_options('Raccoon with distractors', '', tmp_path, tmp_path / 'out')
    content = json.loads(Path(options['test_evaluator.ann_file']).read_text())
    assert [(x['id'], x['name']) for x in content['categories']][:3] == [
        (1, 'raccoon'), (2, 'cat'), (3, 'dog')]
    assert len(content['categories']) == 7
    assert options['test_dataloader.dataset.ann_file'] == options['test_evaluator.ann_file']


ROWS = ('coco-mini, vectors of the checkpoint', 'coco-mini, vectors of the table', 'Raccoon',
        'Raccoon with distractors', 'thermal valid + test')


def test_every_row_is_tested(parity):
    assert set(ROWS) == set(parity.ROWS)


@pytest.fixture(scope='module')
def source():
    """yolov8s-worldv2.pt, where it is at hand already; nothing is fetched."""
    if not os.environ.get(VARIABLE) and not (cache_folder() / Path(MEMBER).name).is_file():
        pytest.skip(f'{VARIABLE} does not name {Path(MEMBER).name}, and none is cached')
    return yolo_world_checkpoint()


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize('row', ROWS)
def test_figures_of_the_original(row, real_data, source, run_script, tmp_path):
    weights, vectors = tmp_path / 'v8s.safetensors', tmp_path / 'vectors.safetensors'
    run_script('tools/model_converters/yolo_world_to_expalign.py', source, weights,
               '--vectors', vectors)
    run_script(SCRIPT, weights, vectors, '--rows', row, '--work-dir', tmp_path)  # exits when off
