"""Labels from names, prompts of the samples, errors of annotation files."""

import json
import shutil
from pathlib import Path

import pytest

from expalign.datasets import CocoDataset, Objects365V1Dataset, TextCocoDataset

ANN_FILE = Path(__file__).parents[1] / 'data' / 'coco_permuted.json'


def make_dataset(classes=None, ann_file=ANN_FILE, **kwargs):
    metainfo = None if classes is None else dict(classes=classes)
    return TextCocoDataset(
        ann_file=str(ann_file), metainfo=metainfo, data_prefix=dict(img='images/'), **kwargs)


def names_by_image(dataset):
    """The class names of each image's instances, through the labels."""
    records = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {
        record['img_id']: [record['text'][item['bbox_label']] for item in record['instances']]
        for record in records
    }


@pytest.mark.parametrize('classes', [
    None, ('person', 'dog', 'cat'), ['cat', 'person', 'dog'], ('dog ', ' cat', 'person')])
def test_label_i_means_class_i(classes):
    dataset = make_dataset(classes)
    assert names_by_image(dataset) == {1: ['cat', 'dog'], 2: ['person', 'cat']}
    expected = classes or ('cat', 'dog', 'person')
    assert dataset.metainfo['classes'] == tuple(name.strip() for name in expected)


def test_classes_may_be_a_part_of_the_file():
    assert names_by_image(make_dataset(('person', 'cat'))) == {1: ['cat'], 2: ['person', 'cat']}


def test_text_is_a_new_list_for_each_sample():
    dataset = make_dataset(('person', 'dog', 'cat'))
    first = dataset.get_data_info(0)
    assert first['text'] == ['person', 'dog', 'cat']
    first['text'].clear()
    assert dataset.get_data_info(0)['text'] == ['person', 'dog', 'cat']


def test_only_training_samples_lead_to_the_data_set():
    keep = [lambda results: results]
    dataset = make_dataset(pipeline=keep)
    assert dataset[0]['dataset'] is dataset
    assert 'dataset' not in make_dataset(pipeline=keep, test_mode=True)[0]


def test_metainfo_is_known_before_the_file_is_read():
    dataset = make_dataset(('cat ', 'dog'), ann_file='nowhere.json', lazy_init=True)
    assert dataset.metainfo == dict(classes=('cat', 'dog'), palette='random')
    assert len(CocoDataset(lazy_init=True).metainfo['classes']) == 80
    names = Objects365V1Dataset(lazy_init=True).metainfo['classes']
    assert len(names) == 365 and 'tissue' in names


def test_a_misspelt_class_is_an_error():
    with pytest.raises(ValueError, match=r"coco_permuted.json has no category named 'catt' "
                                         r"\(did you mean 'cat'\?\)"):
        make_dataset(('person', 'catt'))


def test_a_single_string_is_no_list_of_classes():
    with pytest.raises(TypeError, match="list or tuple of names, got 'person'"):
        make_dataset('person')


def test_missing_annotation_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="annotation file 'data/x.json' not found") as info:
        TextCocoDataset(data_root='data', ann_file='x.json')
    assert f'(from the folder {tmp_path})' in str(info.value)
    assert "check 'ann_file' and 'data_root' of the dataset" in str(info.value)


@pytest.mark.parametrize(('content', 'message'), [
    ('{"images": [', 'is not JSON'),
    ('[1, 2]', 'is not in COCO format: .*list'),
    ('{"images": [], "annotations": []}', 'is not in COCO format: it has no categories'),
])
@pytest.mark.parametrize('classes', [None, ('cat',)])
def test_files_that_are_no_coco_annotations(tmp_path, content, message, classes):
    path = tmp_path / 'x.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=f"annotation file '{path}' {message}"):
        make_dataset(classes, ann_file=path)


def test_objects365_names_are_found_with_and_without_the_space(tmp_path):
    names = list(Objects365V1Dataset.METAINFO['classes'])
    assert 'tissue ' in names
    content = json.loads(ANN_FILE.read_text())
    for written in ('tissue ', 'tissue'):
        categories = [dict(id=i + 1, name=name) for i, name in enumerate(names)]
        categories[names.index('tissue ')]['name'] = written
        content['categories'] = categories[::-1]
        content['annotations'][0]['category_id'] = names.index('tissue ') + 1
        path = tmp_path / 'o365.json'
        path.write_text(json.dumps(content))
        dataset = Objects365V1Dataset(ann_file=str(path), data_prefix=dict(img='images/'))
        assert names_by_image(dataset)[1] == ['tissue', names[2]]


def test_image_paths_are_joined_with_the_root(tmp_path):
    shutil.copy(ANN_FILE, tmp_path / 'x.json')
    dataset = TextCocoDataset(
        data_root=str(tmp_path), ann_file='x.json', data_prefix=dict(img='images/'))
    assert dataset.get_data_info(1)['img_path'] == str(tmp_path / 'images' / 'b.jpg')
