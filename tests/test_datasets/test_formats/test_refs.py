"""Official RefCOCO files: hostile pickles, expressions, records."""

import json
import os
import pickle
import tracemalloc

import pytest

from expalign.datasets.formats.problems import AnnotationProblems
from expalign.datasets.formats.refs import (
    expressions,
    read_refs,
    records_by_expression,
    records_by_image,
    refs_of_splits,
)

IMAGES = {581857: dict(id=581857, file_name='COCO_train2014_000000581857.jpg', height=100,
                       width=200)}
BOXES = {1: [10, 20, 30, 40], 2: [50, 20, 30, 40], 3: [90, 20, 30, 40]}
ANNOTATIONS = {i: dict(id=i, image_id=581857, bbox=box, segmentation=[[0, 0, 9, 0, 9, 9]],
                       iscrowd=0) for i, box in BOXES.items()}


def ref(number, *texts, split='train', **more):
    return dict(ref_id=number, ann_id=number, image_id=581857, split=split, category_id=1,
                sentences=[dict(raw=t, sent=t.lower(), sent_id=i) for i, t in enumerate(texts)],
                **more)


class Hostile:
    def __reduce__(self):
        return os.system, ('touch /tmp/hostile_refs_ran',)


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_a_pickle_of_plain_containers_is_read(tmp_path, protocol):
    path = tmp_path / 'refs(unc).p'
    refs = [ref(1, 'left man', sent_ids=(0, 1))]
    path.write_bytes(pickle.dumps(refs, protocol=protocol))
    assert read_refs(str(path)) == refs


def test_a_python_2_pickle_is_read(tmp_path):
    """Protocol 0 of Python 2: byte strings, as in the published files."""
    path = tmp_path / 'refs(unc).p'
    path.write_bytes(
        b"(lp0\n(dp1\nS'image_id'\np2\nI5\nsS'ann_id'\np3\nI6\nsS'split'\np4\nS'val'\np5\n"
        b"sS'sentences'\np6\n(lp7\n(dp8\nS'raw'\np9\nS'left man'\np10\nsasa.")
    assert read_refs(str(path)) == [
        dict(image_id=5, ann_id=6, split='val', sentences=[dict(raw='left man')])]


@pytest.mark.parametrize('content', [
    pickle.dumps([ref(1, 'man', extra=Hostile())]),
    b'cos\nsystem\n(S"touch /tmp/hostile_refs_ran"\ntR.',
    b'\x80\x02cbuiltins\neval\n.',
    b'not a pickle', b'', pickle.dumps([1, 2]), pickle.dumps(dict(a=1)),
    pickle.dumps([dict(image_id=1)]), b'\x80\x02U\x03\xff\xfe\xfd.',
])
def test_other_content_is_refused_and_never_runs(tmp_path, content):
    path = tmp_path / 'refs(unc).p'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"refs\(unc\).p'.* (cannot be read|no list) "
                                         r'|is no list of references'):
        read_refs(str(path))
    assert not os.path.exists('/tmp/hostile_refs_ran')


@pytest.mark.parametrize('content', [
    b'\x80\x02]r\xff\xff\xff\x7f.',  # LONG_BINPUT: a place in the memo, all up to it are allocated
    b'(lp2000000000\n.', b'\x80\x04\x8e' + b'\xff' * 7 + b'\x7f.',  # PUT; BINBYTES8 of 2**63 bytes
])
def test_a_few_bytes_that_ask_for_gigabytes(tmp_path, content):
    path = tmp_path / 'refs(unc).p'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"refs\(unc\)\.p' cannot be read .*(memo|bytes8|exceeds)"):
        read_refs(str(path))


def test_lists_that_stand_in_many_places_are_not_printed(tmp_path):
    """Sixty levels of two: 2**60 entries if written out."""
    shared = []
    for _ in range(60):
        shared = [shared, shared]
    path = tmp_path / 'refs(unc).p'
    path.write_bytes(pickle.dumps([ref(1) | dict(sentences=shared)], protocol=2))
    with pytest.raises(ValueError, match='got a list that is too long to print'):
        read_refs(str(path))


def test_pipes_are_not_read(tmp_path):
    os.mkfifo(tmp_path / 'refs(unc).p')
    with pytest.raises(ValueError, match='is a pipe'):
        read_refs(str(tmp_path / 'refs(unc).p'))


def test_json_is_read_too(tmp_path):
    path = tmp_path / 'refs.json'
    path.write_text(json.dumps([ref(1, 'left man')]))
    assert read_refs(str(path)) == [ref(1, 'left man')]


def test_expressions():
    assert expressions(ref(1, 'Left man', 'left  man.', 'guy in blue', '')) == [
        'Left man', 'guy in blue']
    assert expressions(dict(sentences=[dict(sent='dog')])) == ['dog']


def test_splits():
    refs = [ref(1, 'a'), ref(2, 'b', split='testA'), ref(3, 'c', split='val')]
    assert [r['ref_id'] for r in refs_of_splits(refs, ['train', 'val'], 'x.p')] == [1, 3]
    with pytest.raises(ValueError, match="'x.p' has no split 'testC'; it has testA, train, val"):
        refs_of_splits(refs, ['testC'], 'x.p')


def test_one_record_an_image():
    problems = AnnotationProblems('instances.json')
    refs = [ref(1, 'left man', 'guy in blue'), ref(2, 'man', 'right man'), ref(3, 'man')]
    record, = records_by_image(refs, IMAGES, ANNOTATIONS, problems)
    assert (record['img_id'], record['text_kind']) == (581857, 'grounding')
    assert record['text'] == [['left man', 'guy in blue'], 'right man', 'man']
    assert [x['bbox_label'] for x in record['instances']] == [0, 1, 2]
    assert record['instances'][0]['bbox'] == [10, 20, 40, 60]
    assert record['instances'][0]['mask'] == [[0, 0, 9, 0, 9, 9]]
    assert not problems.counts


def test_objects_with_the_same_expression_only_share_a_prompt():
    record, = records_by_image(
        [ref(1, 'man'), ref(2, 'Man')], IMAGES, ANNOTATIONS, AnnotationProblems('x'))
    assert record['text'] == ['man']
    assert [x['bbox_label'] for x in record['instances']] == [0, 0]


def test_one_record_an_expression():
    refs = [ref(1, 'left man', 'guy in blue'), ref(3, 'dog')]
    records = list(records_by_expression(refs, IMAGES, ANNOTATIONS, AnnotationProblems('x')))
    assert [record['text'] for record in records] == [['left man'], ['guy in blue'], ['dog']]
    assert [record['instances'][0]['bbox'][0] for record in records] == [10, 10, 90]


def test_an_annotation_of_another_image_is_not_the_object():
    problems = AnnotationProblems('refs')
    annotations = {1: dict(ANNOTATIONS[1], image_id=2), 2: ANNOTATIONS[2]}
    record, = records_by_image([ref(1, 'left man'), ref(2, 'dog')], IMAGES, annotations, problems)
    assert record['text'] == ['dog'] and len(record['instances']) == 1
    assert problems.counts == {'the reference names an annotation of another image': 1}


def test_expressions_are_unicode():
    assert expressions(ref(1, 'left \ud800', 'dog')) == ['dog']


def test_references_to_nothing():
    problems = AnnotationProblems('x')
    record, = records_by_image(
        [ref(9, 'a man'), ref(1), ref(2, 'dog')], IMAGES, ANNOTATIONS, problems)
    assert record['text'] == ['dog'] and problems.num_bad == 2
    with pytest.raises(ValueError, match="'x', image 581857: a reference names an image that"):
        list(records_by_image([ref(1, 'man')], {}, ANNOTATIONS, problems))


@pytest.mark.parametrize(('content', 'message'), [
    (b'\x80\x02]r\xff\xff\xff\x7f.', 'expected'),
    (b'\x80\x04\x8e' + (2**62).to_bytes(8, 'little') + b'.', 'expected'),
    (b'version https://git-lfs.github.com/spec/v1\n', 'it is a Git LFS pointer'),
    (b'', 'it is an empty file'), (b'\x80\x02' + b'(' * 100_000, 'expected'),
])
def test_hostile_pickles_take_no_memory(content, message, tmp_path):
    path = tmp_path / 'refs(unc).p'
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"file '.*refs\(unc\).p' cannot be read .*{message}"):
        read_refs(str(path))
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize(('change', 'message'), [
    (dict(image_id=[1]), "'image_id' must be a number or text"),
    (dict(ann_id=None), "'ann_id' must be a number or text"),
    (dict(sentences='text'), "'sentences' must be a list of objects"),
    (dict(sentences=['text']), "'sentences' must be a list of objects")])
def test_references_of_another_form(change, message, tmp_path):
    path = tmp_path / 'refs.json'
    ref = dict(image_id=1, ann_id=2, split='train', sentences=[dict(raw='a')])
    path.write_text(json.dumps([ref, ref | change]))
    with pytest.raises(ValueError, match=f"refs.json', reference 1: {message}"):
        read_refs(str(path))
