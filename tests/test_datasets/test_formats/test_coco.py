"""COCO's entries: records, and what is left out."""

import pytest

from expalign.datasets.formats.coco import (
    IGNORED,
    NO_FLAG,
    complete_annotation,
    parse_image,
    usable_annotation,
)
from expalign.datasets.formats.problems import AnnotationProblems

IMAGE = dict(id=3, file_name='a.jpg', height='100', width=200)
SIZED = IMAGE | dict(height=100)


def annotation(**changes):
    return dict(id=5, image_id=3, category_id=7, bbox=[10, 20, 30, 40]) | changes


def test_a_record():
    mask = [[10, 20, 40, 20, 40, 60]]
    record = parse_image(
        IMAGE, [annotation(segmentation=mask), annotation(iscrowd=1), annotation(category_id=8)],
        labels={7: 0}, categories={7: 'a', 8: 'b'},
        problems=AnnotationProblems('x.json', strict=True))
    assert record == dict(
        file_name='a.jpg', height=100, width=200, img_id=3, text_kind='detection', instances=[
            dict(bbox=[10, 20, 40, 60], bbox_label=0, ignore_flag=0, mask=mask),
            dict(bbox=[10, 20, 40, 60], bbox_label=0, ignore_flag=1)])


@pytest.mark.parametrize(('area', 'expected', 'repairs'), [
    (None, 1200, 0), (9, 9, 0), ('9.5', 9.5, 0), (0, 1200, 1), (-3, 1200, 1), ('large', 1200, 1),
    (float('nan'), 1200, 1), ([], 1200, 1), (True, 1200, 1), (10**400, 1200, 1)])
def test_the_area_is_that_of_the_box_where_it_is_none(area, expected, repairs):
    problems = AnnotationProblems('x.json')
    raw = annotation(area=area)
    found = usable_annotation(raw, SIZED, {7}, problems)
    assert found['area'] == expected and raw == annotation(area=area)
    assert sum(problems.repairs.values()) == repairs and not problems.counts


@pytest.mark.parametrize(('value', 'flag'), [
    (None, 0), (0, 0), (1, 1), ('0', 0), ('1', 1), (False, 0), (True, 1), (1.0, 1), (' True', 1),
    ('no crowd', None), (2, None), ([1], None), (float('nan'), None), ('', None)])
def test_iscrowd_is_a_flag(value, flag):
    problems = AnnotationProblems('x.json')
    found = usable_annotation(annotation(iscrowd=value), SIZED, {7}, problems)
    if flag is None:
        assert found is None and dict(problems.counts) == {NO_FLAG: 1}
        with pytest.raises(ValueError, match="^here: 'iscrowd' is neither 0 nor 1"):
            complete_annotation(annotation(iscrowd=value), 'here')
    else:
        assert found['iscrowd'] == flag and not problems.counts


@pytest.mark.parametrize('category', [None, '7', 8, [7], {}, True, 7.5, float('nan')])
def test_other_categories(category):
    problems = AnnotationProblems('x.json')
    assert usable_annotation(annotation(category_id=category), SIZED, {7}, problems) is None
    assert dict(problems.counts) == {"the category id is not in 'categories'": 1}
    assert usable_annotation(annotation(category_id=7.0), SIZED, {7}, problems)['category_id'] == 7


def test_ignored_annotations_are_dropped():
    problems = AnnotationProblems('x.json')
    for value in (1, True, '1', 'yes'):
        assert usable_annotation(annotation(ignore=value), SIZED, {7}, problems) is None
    for value in (0, None, '0', False):
        assert usable_annotation(annotation(ignore=value), SIZED, {7}, problems) is not None
    assert (problems.num_bad, dict(problems.counts)) == (0, {IGNORED: 4})


@pytest.mark.parametrize(('change', 'message'), [
    (dict(file_name=None), "'file_name' must be a string, got None"),
    (dict(width=-1), "'height' and 'width' must be positive"),
    (dict(width=640.5), "'height' and 'width' must be positive"),
    (dict(width=True), "'height' and 'width' must be positive"),
    (dict(width=10**9), r"'height' and 'width' are larger .*100,000,000,000 pixels, more than the "
                        'limit of 1,073,741,824. .* EXPALIGN_MAX_IMAGE_PIXELS')])
def test_bad_image_entries(change, message):
    with pytest.raises(ValueError, match=f"annotation file 'x.json', image 3: {message}"):
        parse_image(IMAGE | change, [], {}, {}, AnnotationProblems('x.json'))
