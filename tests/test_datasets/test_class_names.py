"""Names of classes and their categories."""

import pytest

from expalign.datasets.class_names import (
    category_ids_of_classes,
    clean_class_names,
    names_of_categories,
)

CATEGORIES = [dict(id=7, name='cat'), dict(id=3, name='dog '), dict(id=5, name='person')]


def test_names_lose_white_space_and_keep_their_order():
    assert clean_class_names([' dog', 'tissue ', 'cat']) == ('dog', 'tissue', 'cat')
    assert names_of_categories([*CATEGORIES, dict(id=9, name='cat')]) == ('cat', 'dog', 'person')


@pytest.mark.parametrize(('classes', 'error', 'message'), [
    ('person', TypeError, "list or tuple of names, got 'person'"),
    ([1, 2], TypeError, r'list or tuple of names, got \[1, 2\]'),
    ([], ValueError, 'must not be empty'),
    (['cat', ' '], ValueError, 'nor hold an empty name'),
    (['cat', 'dog', 'cat '], ValueError, "names 'cat' more than once"),
])
def test_bad_lists_of_names(classes, error, message):
    with pytest.raises(error, match=message):
        clean_class_names(classes)


def test_ids_follow_the_names():
    assert category_ids_of_classes(['person', 'cat', 'dog'], CATEGORIES, 'f.json') == [5, 7, 3]


def test_missing_names_are_listed_with_close_ones():
    with pytest.raises(ValueError, match='f.json has no category named') as info:
        category_ids_of_classes(['dgo', 'cat', 'Person', 'zebra'], CATEGORIES, 'f.json')
    message = str(info.value)
    assert "'dgo' (did you mean 'dog'?), 'Person' (did you mean 'person'?), 'zebra'." in message
    assert 'it has 3: cat, dog, person' in message


def test_long_lists_are_cut():
    with pytest.raises(ValueError, match='and 8 more') as info:
        category_ids_of_classes(
            [f'x{i}' for i in range(20)],
            [dict(id=i, name=f'category {i:02d}') for i in range(30)], 'f.json')
    assert 'category 11, ...' in str(info.value)


def test_a_name_listed_twice_means_the_used_category():
    categories = [dict(id=0, name='pothole'), dict(id=1, name='pothole')]
    assert category_ids_of_classes(['pothole'], categories, 'f.json', {1}) == [1]
    assert category_ids_of_classes(['pothole'], categories, 'f.json', {}) == [0]
    with pytest.raises(ValueError, match=r"2 categories named 'pothole' \(ids \[0, 1\]\)"):
        category_ids_of_classes(['pothole'], categories, 'f.json', {0, 1})
