"""MDETR's format: phrases from spans, captions as phrases, errors."""

import pytest

from expalign.datasets.formats.mdetr import (
    images_with_annotations,
    parse_image,
    spanned_phrase,
)
from expalign.datasets.formats.problems import AnnotationProblems

CAPTION = 'A man in a blue shirt holds a dog .'
IMAGE = dict(id=7, file_name='3359636318.jpg', height='334', width='500', caption=CAPTION)


def annotation(spans, box=(10, 20, 30, 40), **more):
    return dict(id=1, image_id=7, bbox=list(box), tokens_positive=spans, **more)


def test_phrases_of_spans():
    assert spanned_phrase(CAPTION, [[0, 5]]) == 'A man'
    assert spanned_phrase(CAPTION, [[28, 33], [0, 5]]) == 'A man a dog'
    for spans in ([], [[0, 99]], [[5, 5]], [[-1, 3]], [[0]], None, 3, 'ab', [3], [['0', 5]]):
        with pytest.raises(ValueError, match='do not lie in the caption of 35 letters'):
            spanned_phrase(CAPTION, spans)


def test_a_record():
    problems = AnnotationProblems('x.json')
    mask = [[10, 20, 40, 20, 40, 60]]
    record = parse_image(IMAGE, [
        annotation([[0, 5]], segmentation=mask),
        annotation([[28, 33]]),
        annotation([[0, 5]], (100, 50, 20, 20), iscrowd=1),
    ], problems)
    assert record == dict(
        file_name='3359636318.jpg', height=334, width=500, img_id=7, text_kind='grounding',
        caption=CAPTION, text=['A man', 'a dog'], tokens_positive=[[[0, 5]], [[28, 33]]],
        instances=[
            dict(bbox=[10, 20, 40, 60], bbox_label=0, ignore_flag=0, mask=mask),
            dict(bbox=[10, 20, 40, 60], bbox_label=1, ignore_flag=0),
            dict(bbox=[100, 50, 120, 70], bbox_label=0, ignore_flag=1),
        ])
    assert not problems.counts


def test_the_whole_caption_as_phrase():
    record = parse_image(IMAGE, [annotation(None)], AnnotationProblems('x'), whole_caption=True)
    assert record['text'] == ['A man in a blue shirt holds a dog']


def test_what_cannot_be_used_is_counted():
    problems = AnnotationProblems('x.json')
    record = parse_image(IMAGE, [
        annotation([[0, 99]]), annotation(None), annotation([[0, 5]], (0, 0, -4, 5)),
        annotation([[34, 35]]), annotation([[0, 5]])], problems)
    assert record['text'] == ['A man'] and len(record['instances']) == 1
    assert dict(problems.counts) == {
        "'tokens_positive' must be spans inside the caption": 2,
        'the box has a negative width or height': 1,
        'the phrase is empty or no text': 1}


@pytest.mark.parametrize(('change', 'message'), [
    (dict(caption=None), "'caption' must be a string"),
    (dict(file_name=3), "'file_name' must be a string"),
    (dict(width='wide'), "'height' and 'width' must be")])
def test_bad_image_entries(change, message):
    with pytest.raises(ValueError, match=f"annotation file 'x.json', image 7: {message}"):
        parse_image(IMAGE | change, [], AnnotationProblems('x.json'))


def test_annotations_are_grouped_by_image():
    content = dict(images=[dict(id=3), dict(id='b')],
                   annotations=[dict(id=1, image_id='b'), dict(id=2, image_id=3)])
    problems = AnnotationProblems('x.json')
    groups = [(image['id'], [a['id'] for a in annotations])
              for image, annotations in images_with_annotations(content, problems)]
    assert groups == [(3, [2]), ('b', [1])]
    content['annotations'].append(dict(id=9, image_id=4))
    with pytest.raises(ValueError, match="'x.json', annotation 9: annotation of an image that "
                       r'the file does not have \(image 4\)'):
        list(images_with_annotations(content, problems))
    content['images'] += [dict(id=3)]
    with pytest.raises(ValueError, match="'x.json', image 3: image ids that occur twice"):
        list(images_with_annotations(content, AnnotationProblems('x.json')))


def test_other_formats_are_named():
    for content in ([], dict(images=[]), dict(images={}, annotations=[])):
        with pytest.raises(ValueError, match="'x.json' is not in MDETR's format"):
            list(images_with_annotations(content, AnnotationProblems('x.json')))
