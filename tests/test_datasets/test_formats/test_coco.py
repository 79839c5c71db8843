"""COCO's entries: records, and what is left out."""

import pytest

from expalign.datasets.formats.coco import checked_image, parse_image, usable_annotations
from expalign.datasets.formats.problems import AnnotationProblems

IMAGE = dict(id=3, file_name='a.jpg', height='100', width=200)


def annotation(**changes):
    return dict(id=5, image_id=3, category_id=7, bbox=[10, 20, 30, 40]) | changes


def test_a_record():
    mask = [[10, 20, 40, 20, 40, 60]]
    record = parse_image(
        IMAGE, [annotation(segmentation=mask), annotation(iscrowd=1), annotation(category_id=8)],
        labels={7: 0}, category_ids={7, 8}, problems=AnnotationProblems('x.json', strict=True))
    assert record == dict(
        file_name='a.jpg', height=100, width=200, img_id=3, text_kind='detection', instances=[
            dict(bbox=[10, 20, 40, 60], bbox_label=0, ignore_flag=0, mask=mask),
            dict(bbox=[10, 20, 40, 60], bbox_label=0, ignore_flag=1)])


def test_the_area_is_that_of_the_box_where_it_is_missing():
    image = checked_image(IMAGE, 3, 'x.json')
    problems = AnnotationProblems('x.json')
    found = usable_annotations(
        image, [annotation(), annotation(area=9), annotation(area=0)], {7}, problems)
    assert [entry['area'] for entry in found] == [1200, 9]
    assert dict(problems.counts) == {"annotation with an 'area' of 0": 1}


@pytest.mark.parametrize(('change', 'message'), [
    (dict(file_name=None), "'file_name' must be a string, got None"),
    (dict(width=-1), "'height' and 'width' must be positive")])
def test_bad_image_entries(change, message):
    with pytest.raises(ValueError, match=f"annotation file 'x.json', image 3: {message}"):
        checked_image(IMAGE | change, 3, 'x.json')
