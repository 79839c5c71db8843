"""Which names are held out with a class."""

import pytest
from distill import COCO_ALIASES, held_out_names, name_forms


@pytest.mark.parametrize('name, form', [
    ('Bus (vehicle)', 'bus'), ('wine glass', 'wineglass'), ('skis', 'ski'),
    ('hot-dog', 'hotdog'), ('knives', 'knife'), ('benches', 'bench'), ('bus', 'bus'),
    ('tennis_rackets', 'tennisracket'),
])
def test_a_name_is_reduced_to_its_form(name, form):
    assert name_forms(name) == {form}


def test_a_slash_separates_two_names():
    assert name_forms('monitor/tv') == {'monitor', 'tv'}


def test_spellings_and_aliases_are_held_out_and_narrower_terms_are_not():
    names = ['ski', 'sofa', 'television set', 'orange (fruit)', 'man', 'puppy', 'hair dryer', 'box']
    classes = ['skis', 'couch', 'tv', 'orange', 'person', 'dog', 'hair drier']
    assert held_out_names(names, classes) == [
        'ski', 'sofa', 'television set', 'orange (fruit)', 'hair dryer']


def test_aliases_belong_to_classes_of_coco():
    from expalign.datasets import CocoDataset
    assert set(COCO_ALIASES) <= set(CocoDataset.METAINFO['classes'])
