"""The attribute set's files: the same for a seed, resumed, and read by what trains and tests."""

from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
from attribute_set import layout
from attribute_set.layout import join, make_set, outline
from attribute_set.maps import offset, read_annotations, read_picture
from attribute_set.records import read_records, truth_of

from tests.helpers.attribute_photographs import write_photographs

PART = 4


class Inline:
    """A pool without processes."""

    def __init__(self, workers):
        self.map = map

    __enter__ = lambda self: self  # noqa: E731
    __exit__ = lambda self, *error: None  # noqa: E731


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(layout, 'PART', PART)
    monkeypatch.setattr(layout, 'ProcessPoolExecutor', Inline)
    layout._opened.clear()


@pytest.fixture
def settings(tmp_path):
    return write_photographs(tmp_path)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*')
            if path.is_file()}


def test_a_set_is_that_of_its_seed_and_goes_on_where_it_was_stopped(tmp_path, settings):
    counts = make_set(tmp_path / 'a', settings)
    assert counts['train pictures'] == 6 and counts['test pictures'] == 5
    first = files(tmp_path / 'a')
    make_set(tmp_path / 'b', settings)
    assert files(tmp_path / 'b') == first
    for name in ('parts/train-000004-000006.json', 'train/000005.jpg', 'annotations/train.json'):
        (tmp_path / 'b' / name).unlink()
    kept = (tmp_path / 'b' / 'train/000001.jpg').stat().st_mtime_ns
    make_set(tmp_path / 'b', settings)
    assert files(tmp_path / 'b') == first
    assert (tmp_path / 'b' / 'train/000001.jpg').stat().st_mtime_ns == kept
    make_set(tmp_path / 'c', replace(settings, seed=4))
    assert files(tmp_path / 'c')['annotations/train.json'] != first['annotations/train.json']
    with pytest.raises(ValueError, match='of other settings'):
        make_set(tmp_path / 'c', settings)


def test_a_set_can_be_made_larger(tmp_path, settings):
    make_set(tmp_path / 'a', settings)
    make_set(tmp_path / 'a', replace(settings, train=9))
    make_set(tmp_path / 'b', replace(settings, train=9))
    large, other = files(tmp_path / 'a'), files(tmp_path / 'b')
    assert all(large[name] == value for name, value in other.items() if 'parts' not in name)


def test_the_annotations_are_lvis_and_say_what_is_true(tmp_path, settings):
    make_set(tmp_path / 'a', settings)
    content = read_annotations(tmp_path / 'a', 'test')
    names = {row['id']: row['name'] for row in content['categories']}
    true = {image['id']: set() for image in content['images']}
    for row in content['annotations']:
        true[row['image_id']].add(row['category_id'])
        x, y, w, h = row['bbox']
        polygons = np.concatenate([np.reshape(p, (-1, 2)) for p in row['segmentation']])
        assert polygons.min(0) == pytest.approx([x, y], abs=1.01)
        assert polygons.max(0) == pytest.approx([x + w, y + h], abs=2.01)
    for image in content['images']:
        asked = {row['category_id'] for row in image['asked']}
        assert asked == true[image['id']] | set(image['neg_category_ids'])
        assert not true[image['id']] & set(image['neg_category_ids'])
        height, width = cv2.imread(str(tmp_path / 'a' / image['file_name'])).shape[:2]
        assert (height, width) == (image['height'], image['width'])
    held = [row for image in content['images'] for row in image['asked']
            if row['split'] == 'combinations' and row['category_id'] in true[image['id']]]
    trained = {row['name'] for row in read_annotations(tmp_path / 'a', 'train')['categories']}
    assert not {names[row['category_id']] for row in held} & trained


def test_the_readers_of_the_package_take_the_files(tmp_path, settings):
    from expalign.datasets import LVISV1Dataset
    from expalign.evaluation.lvis_ground_truth import LVISGroundTruth
    make_set(tmp_path / 'a', settings)
    content = read_annotations(tmp_path / 'a', 'train')
    dataset = LVISV1Dataset(
        data_root=str(tmp_path / 'a'), ann_file='annotations/train.json', data_prefix=dict(img=''),
        metainfo=dict(classes=None), pipeline=[])
    assert len(dataset) == 6 * layout.LISTS == len(content['images'])
    names = [row['name'] for row in content['categories']]
    for index, image in enumerate(content['images']):
        record = dataset.get_data_info(index)
        assert record['img_path'].endswith(image['file_name'])
        absent = [record['text'][i] for i in np.flatnonzero(record['true_negatives'])]
        assert sorted(absent) == sorted(names[key - 1] for key in image['neg_category_ids'])
    truth = LVISGroundTruth(str(tmp_path / 'a' / 'annotations' / 'test.json'))
    assert len(truth.image_ids) == 5


def test_records_lie_in_the_middle_of_the_square(tmp_path, settings):
    make_set(tmp_path / 'a', settings)
    content = read_annotations(tmp_path / 'a', 'test')
    names = [image['file_name'] for image in content['images']][:3]
    side = 320
    records = read_records(content, names, side)
    assert [record.row for record in records] == [0, 1, 2]
    for record, image in zip(records, content['images'], strict=False):
        left, top = offset(image['height'], image['width'], side)
        rows = [row for row in content['annotations'] if row['image_id'] == image['id']]
        assert record.boxes[:, 0].tolist() == [row['bbox'][0] + left for row in rows]
        assert [record.prompts[label] for label in record.labels] == [
            content['categories'][row['category_id'] - 1]['name'] for row in rows]
        picture = read_picture(tmp_path / 'a' / image['file_name'], side)
        assert picture.shape == (3, side, side)
        if top:
            assert float(picture[:, 0].max()) == pytest.approx(114 / 255)
        for box, cells in zip(record.boxes, record.cells, strict=True):
            rows, columns = np.nonzero(cells.numpy())
            assert len(rows) and (columns * 8 + 8 > box[0]).all() and (rows * 8 < box[3]).all()
    truth = truth_of(records, [[1, 0], [0, 1], [0]])
    assert truth.boxes.shape[0] == 3 and truth.cells.shape[2:] == (40, 40)
    assert int(truth.real.sum()) == sum(
        int(np.isin(record.labels, keep).sum())
        for record, keep in zip(records, ([1, 0], [0, 1], [0]), strict=True))


def test_larger_pictures_than_the_input_are_an_error(tmp_path):
    cv2.imwrite(str(tmp_path / 'x.png'), np.zeros((40, 90, 3), np.uint8))
    with pytest.raises(ValueError, match='90 x 40 pixels, more than the side of 64'):
        read_picture(tmp_path / 'x.png', 64)
    with pytest.raises(FileNotFoundError, match='make the set with make_attribute_set.py'):
        read_annotations(tmp_path, 'train')


def test_records_join_by_hand():
    thing = dict(box=[1, 2, 5, 8], polygons=[[1, 2, 5, 2, 5, 8]], area=12)
    question = partial(dict, split='seen')
    content = join(iter([
        dict(file_name='test/0.jpg', height=10, width=20, asked=[
            question(prompt='red box', rival='blue box', objects=[thing]),
            question(prompt='blue box', rival='', objects=[])]),
        dict(file_name='test/1.jpg', height=10, width=20, asked=[
            question(prompt='blue box', rival='', objects=[thing, thing])])]))
    assert [(c['id'], c['name'], c['image_count']) for c in content['categories']] == [
        (1, 'red box', 1), (2, 'blue box', 1)]
    assert [(a['id'], a['image_id'], a['category_id'], a['bbox']) for a in content['annotations']
            ] == [(1, 1, 1, [1, 2, 4, 6]), (2, 2, 2, [1, 2, 4, 6]), (3, 2, 2, [1, 2, 4, 6])]
    assert content['images'][0]['neg_category_ids'] == [2]
    assert content['images'][0]['asked'][0] == dict(category_id=1, split='seen', rival=2)


def test_outlines():
    mask = np.zeros((20, 20), bool)
    mask[5:10, 3:12] = True
    (polygon,) = outline(mask)
    assert sorted(set(polygon[::2])) == [3, 11] and sorted(set(polygon[1::2])) == [5, 9]
    assert outline(np.zeros((4, 4), bool)) == []
