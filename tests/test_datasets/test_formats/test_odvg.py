"""ODVG: reading, writing, masks, errors with the number of the line."""

import json

import pytest

from expalign.datasets.formats.odvg import parse_label_map, parse_line, to_line
from expalign.datasets.formats.problems import AnnotationProblems

NAMES = ['person', 'dog']
POLYGONS = [[10, 20, 40, 20, 40, 60]]
RLE = dict(size=[100, 200], counts=[20000])
DETECTION = dict(filename='a.jpg', height=100, width=200, detection=dict(instances=[
    dict(bbox=[10, 20, 40, 60], label=1, category='dog', mask=POLYGONS),
    dict(bbox=[50, 20, 90, 60], label='0', segmentation=RLE),
    dict(bbox=[50, 20, 60, 30], label=0, iscrowd=1)]))
GROUNDING = dict(filename='b.jpg', height=100, width=200, img_id='b', grounding=dict(
    caption='A man and two dogs.', regions=[
        dict(bbox=[10, 20, 40, 60], phrase='A man', tokens_positive=[[0, 5]], mask=POLYGONS),
        dict(bbox=[[1, 2, 30, 40], [50, 20, 90, 60]], phrase=['two', 'dogs'], mask=[None, RLE]),
        dict(bbox=[60, 20, 90, 60], phrase='a man')]))


def parse(line, names=NAMES):
    problems = AnnotationProblems('x.jsonl')
    return parse_line(line, 4, names, problems), problems


def test_a_detection_line():
    record, problems = parse(DETECTION)
    assert record == dict(
        file_name='a.jpg', height=100, width=200, img_id=4, text_kind='detection', instances=[
            dict(bbox=[10, 20, 40, 60], bbox_label=1, ignore_flag=0, mask=POLYGONS),
            dict(bbox=[50, 20, 90, 60], bbox_label=0, ignore_flag=0, mask=RLE),
            dict(bbox=[50, 20, 60, 30], bbox_label=0, ignore_flag=1)])
    assert not problems.counts


def test_a_grounding_line():
    record, problems = parse(GROUNDING, None)
    assert record == dict(
        file_name='b.jpg', height=100, width=200, img_id='b', text_kind='grounding',
        caption='A man and two dogs.', text=['A man', 'two dogs'],
        tokens_positive=[[[0, 5]], []], instances=[
            dict(bbox=[10, 20, 40, 60], bbox_label=0, ignore_flag=0, mask=POLYGONS),
            dict(bbox=[1, 2, 30, 40], bbox_label=1, ignore_flag=0),
            dict(bbox=[50, 20, 90, 60], bbox_label=1, ignore_flag=0, mask=RLE),
            dict(bbox=[60, 20, 90, 60], bbox_label=0, ignore_flag=0)])
    assert not problems.counts


@pytest.mark.parametrize('line', [DETECTION, GROUNDING])
def test_what_is_written_is_read_back(line):
    record, _ = parse(line)
    again, problems = parse(json.loads(to_line(record, NAMES)))
    by_label = sorted(record.pop('instances'), key=lambda x: x['bbox_label'])
    assert sorted(again.pop('instances'), key=lambda x: x['bbox_label']) == by_label
    assert again == record and not problems.counts


def test_synonyms_crowds_and_records_without_a_caption():
    record = dict(
        file_name='c.jpg', height=100, width=200, img_id=9, text_kind='grounding',
        text=[['left man', 'guy in blue'], 'dog'], instances=[
            dict(bbox=[1, 2, 30, 40], bbox_label=0, ignore_flag=0),
            dict(bbox=[1, 2, 50, 40], bbox_label=1, ignore_flag=1, mask=RLE),
            dict(bbox=[1, 2, 60, 40], bbox_label=1, ignore_flag=0)])
    line = json.loads(to_line(record))
    assert line['grounding']['caption'] == 'left man. dog.'
    spans = [region['tokens_positive'] for region in line['grounding']['regions']]
    assert spans == [[[0, 8]], [[10, 13]], [[10, 13]]]
    again, _ = parse(line)
    assert again['text'] == record['text']
    key = str
    assert sorted(again['instances'], key=key) == sorted(record['instances'], key=key)


def test_labels_that_the_map_does_not_have():
    line = dict(DETECTION, detection=dict(instances=[
        dict(bbox=[10, 20, 40, 60], label=label) for label in (2, -1, 'dog', None)]
        + [dict(bbox=[10, 20, 40, 60], label=1, category='person')]))
    record, problems = parse(line)
    assert record['instances'] == []
    assert dict(problems.counts) == {
        'the label is not in the label map': 4,
        "'category' is another name than the label map's": 1}
    assert "line 4, image 'a.jpg', instance 0 (2)" in problems.summary()


@pytest.mark.parametrize(('change', 'message'), [
    (dict(filename=None), "'filename' must be a string"),
    (dict(width=0), "'height' and 'width' must be"),
    (dict(detection=None), "a line needs either an object 'detection' or"),
    (dict(grounding={}), "a line needs either an object 'detection' or"),
    (dict(detection=dict(instances='x')), "'instances' must be a list of objects"),
])
def test_bad_lines_are_errors(change, message):
    with pytest.raises(ValueError, match=f"annotation file 'x.jsonl', line 4: {message}"):
        parse(DETECTION | change)


def test_synonyms_are_unicode():
    region = dict(GROUNDING['grounding']['regions'][0], synonyms=['dog', 'cat \ud800'])
    record, problems = parse(dict(GROUNDING, grounding=dict(caption='', regions=[region])))
    assert record['instances'] == []
    assert problems.counts == {"'synonyms' is no list of phrases": 1}


def test_detection_needs_a_label_map():
    with pytest.raises(ValueError, match="line 4 is a detection line: set 'label_map_file'"):
        parse(DETECTION, None)


def test_masks_must_match_the_boxes_of_a_region():
    region = dict(GROUNDING['grounding']['regions'][1], mask=[RLE])
    with pytest.raises(ValueError, match="line 4, image '.*', region 0: .*: 2 boxes, masks"):
        parse(dict(GROUNDING, grounding=dict(caption='', regions=[region])))


def test_label_maps():
    names = {str(i): f'name {i}' for i in range(11)}
    shuffled = dict(sorted(names.items()))  # '10' before '2'
    assert parse_label_map(shuffled, 'm.json') == list(names.values())
    for content in ([], {}, {'1': 'a'}, {'0': ''}, {'0': 'a', '2': 'b'}, {'person': '0'},
                    {'0': 'a \ud800'}):
        with pytest.raises(ValueError, match="label map 'm.json' must be a JSON object of names"):
            parse_label_map(content, 'm.json')
