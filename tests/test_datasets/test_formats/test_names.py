"""Names with synonyms, and LVIS's names in plain words."""

import json

import pytest
from mmdet.datasets import LVISV1Dataset

from expalign.datasets.formats.class_text import read_class_text
from expalign.datasets.formats.lvis_names import clean_lvis_names


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / 'class_texts.json'
        path.write_text(json.dumps(content))
        return str(path)
    return write


def test_synonyms(file):
    path = file([['person', 'human '], ['sneakers'], 'dog', ['cup', 'cup']])
    assert read_class_text(path) == [['person', 'human'], 'sneakers', 'dog', 'cup']
    assert len(read_class_text(path, ('Person', 'Sneakers', 'Puppy', 'cup'))) == 4


@pytest.mark.parametrize(('content', 'message'), [
    ({}, 'must be a JSON list of lists of names'),
    ([], 'must be a JSON list of lists of names'),
    ([['a'], []], r'entry 1 must be a list of names that are not empty, got \[\]'),
    ([['a', ' ']], 'entry 0 must be a list of names'),
    ([['a', 3]], 'entry 0 must be a list of names'),
])
def test_other_forms(file, content, message):
    with pytest.raises(ValueError, match=f"class_texts.json'.* ?{message}"):
        read_class_text(file(content))


def test_entries_must_belong_to_the_classes(file):
    with pytest.raises(ValueError, match="class_texts.json' has names for 1 classes, the data set "
                                         'has 2'):
        read_class_text(file([['cat']]), ('cat', 'dog'))
    with pytest.raises(ValueError, match="has the name of class 0, 'cat', in entry 1"):
        read_class_text(file([['dog'], ['Cat', 'kitty']]), ('cat', 'dog'))


def test_lvis_names():
    assert clean_lvis_names([
        'aerosol_can', 'bat_(animal)', 'bow_(weapon)', 'bow_(decorative_ribbons)', 'fish',
        'fish_(food)', 'Band_Aid', 'speaker_(stero_equipment)', 'bow-tie',
    ]) == ['aerosol can', 'bat', 'bow (weapon)', 'bow (decorative ribbons)', 'fish',
           'fish (food)', 'Band Aid', 'speaker', 'bow-tie']


def test_all_lvis_names_are_words_and_differ():
    names = clean_lvis_names(LVISV1Dataset.METAINFO['classes'])
    assert len(names) == len({name.casefold() for name in names}) == 1203
    assert not any('_' in name or '  ' in name for name in names)
    assert [name for name in names if '(' in name] == [
        'bow (weapon)', 'bow (decorative ribbons)', 'fish (food)', 'octopus (food)',
        'octopus (animal)', 'pan (for cooking)', 'pan (metal container)', 'salmon (fish)',
        'salmon (food)']
    assert 'computer monitor' in names


@pytest.mark.real_data
def test_the_names_of_the_annotation_file_are_the_same(real_data):
    content = json.loads((real_data / 'lvis' / 'lvis_v1_train_cat_info.json').read_text())
    raw = [category['name'] for category in sorted(content, key=lambda x: x['id'])]
    assert clean_lvis_names(raw) == clean_lvis_names(LVISV1Dataset.METAINFO['classes'])
