"""The skeleton of COCO's layout: what is refused, and by which message."""

import pytest

from expalign.datasets.formats.coco_layout import (
    annotations_by_image,
    by_id,
    check_layout,
    named_categories,
    sortable_by_id,
)
from expalign.datasets.formats.problems import AnnotationProblems

PROBLEMS = AnnotationProblems('x.json')


@pytest.mark.parametrize(('content', 'message'), [
    ([], 'it holds a list'), (None, 'it holds a NoneType'),
    (dict(images=[]), 'it has no annotations, categories'),
    (dict(images={}, annotations=[], categories=[]), "'images' must be a list of objects, got {}"),
    (dict(images=[], annotations=[{}, 7], categories=[]), r'annotations\[1\] must be an object'),
])
def test_lists_of_objects(content, message):
    with pytest.raises(ValueError, match=f"'x.json' is not in COCO format: {message}"):
        check_layout(content, 'x.json')


def test_ids_are_numbers_or_text():
    entries = [dict(id=2.0), dict(id='b'), dict(id=0)]
    assert list(by_id(entries, 'image', PROBLEMS)) == [2, 'b', 0]
    assert type(entries[0]['id']) is int
    for value in (None, [], {}, True, '', 1.5, float('nan')):
        with pytest.raises(ValueError, match="'x.json', image number 1: image without an 'id'"):
            by_id([dict(id=1), dict(id=value)], 'image', PROBLEMS)
    with pytest.raises(ValueError, match="image 1: image ids that occur twice"):
        by_id([dict(id=1), dict(id=1.0)], 'image', PROBLEMS)


def test_ids_are_of_one_kind():
    """Evaluators sort them, which numbers and text together do not allow."""
    with pytest.raises(ValueError, match="'x.json', category 1 and category '2': category ids of "
                                         'which some are numbers and some text'):
        sortable_by_id([dict(id=1), dict(id='2')], 'category', PROBLEMS)


def test_names_are_unicode():
    content = dict(categories=[dict(id=1, name='cat \ud800')])
    with pytest.raises(ValueError, match='category 1: the name has characters that are no valid'):
        named_categories(content, PROBLEMS)


def test_annotations_need_an_image():
    for value in (None, 2, '1', [1]):
        with pytest.raises(ValueError, match='annotation 9: annotation of an image that the file'):
            annotations_by_image(dict(annotations=[dict(id=9, image_id=value)]), {1: {}}, PROBLEMS)
    first, second = dict(image_id=1), dict(image_id=1.0)
    assert annotations_by_image(dict(annotations=[first, second]), {1: {}}, PROBLEMS) == {
        1: [first, second]}


def test_names_of_categories():
    problems = AnnotationProblems('x.json')
    content = dict(categories=[dict(id=1, name=46), dict(id=2, name='cat')])
    assert [c['name'] for c in named_categories(content, problems).values()] == ['46', 'cat']
    assert sum(problems.repairs.values()) == 1
    assert 'read as meant: 1 x category name that is a number' in problems.summary()
    for name in (None, ['cat'], {}, True):
        with pytest.raises(ValueError, match="category 1: category without a 'name'"):
            named_categories(dict(categories=[dict(id=1, name=name)]), problems)
