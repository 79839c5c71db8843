"""goldg2odvg.py and refcoco2odvg.py."""

import pickle

import pytest

from tests.helpers.annotations import read_lines, write_json

TOOLS = 'tools/dataset_converters/'
BOX = [10.0, 20.0, 30.0, 40.0]  # x, y, width, height
CORNERS = [10.0, 20.0, 40.0, 60.0]
CAPTION = 'a red car and two dogs'


def image(number, name, **more):
    return {'id': number, 'file_name': name, 'height': 80, 'width': 100, 'caption': CAPTION, **more}


def spans(number, image_id, *tokens, **more):
    return {'id': number, 'image_id': image_id, 'bbox': BOX, 'tokens_positive': list(tokens),
            'category_id': 1, **more}


def test_goldg2odvg(run_script, tmp_path, capsys):
    source = write_json(tmp_path / 'mixed.json', {
        'images': [
            image(1, '1.jpg'), image(2, 'COCO_train2014_000000000009.jpg'),
            image(3, '3.jpg', data_source='coco'), image(4, '4.jpg', original_img_id=77),
            image(5, '5.jpg')],
        'annotations': [
            spans(1, 1, [2, 9]), spans(2, 1, [14, 22]), spans(3, 1, [14, 22], bbox=[0, 0, 9, 9]),
            spans(4, 1, [0, 99]), spans(5, 2, [2, 9]), spans(6, 1, [2, 9], bbox=[500, 0, 9, 9])],
        'categories': []})
    vg = write_json(tmp_path / 'image_data.json', [{'image_id': 77, 'coco_id': 5},
                                                   {'image_id': 78, 'coco_id': None}])
    run_script(TOOLS + 'goldg2odvg.py', source, tmp_path / 'out.jsonl', '--vg-image-data', vg)
    record, = read_lines(tmp_path / 'out.jsonl')
    assert (record['filename'], record['img_id']) == ('1.jpg', 1)
    assert record['grounding'] == {'caption': CAPTION, 'regions': [
        {'bbox': [CORNERS], 'phrase': 'red car', 'tokens_positive': [[2, 9]]},
        {'bbox': [CORNERS, [0, 0, 9, 9]], 'phrase': 'two dogs', 'tokens_positive': [[14, 22]]}]}
    out = capsys.readouterr().out
    for line in ('5 images read', '1 images left out: COCO by file name or URL',
                 "1 images left out: COCO by 'data_source'",
                 "1 images left out: COCO by Visual Genome's 'coco_id'",
                 '1 images left out: no phrase with a box (such as 5.jpg)',
                 "1 annotations left out: 'tokens_positive' must be spans inside the caption",
                 '1 annotations left out: box outside of the image', '3 instances written'):
        assert line in out

    run_script(TOOLS + 'goldg2odvg.py', source, tmp_path / 'all.jsonl', '--keep-coco')
    assert [r['filename'] for r in read_lines(tmp_path / 'all.jsonl')] == [
        '1.jpg', 'COCO_train2014_000000000009.jpg']


def test_too_many_wrong_annotations_stop_the_conversion(run_script, tmp_path):
    source = write_json(tmp_path / 'mixed.json', {
        'images': [image(1, '1.jpg')], 'annotations': [spans(i, 1, [5, 2]) for i in range(3)]})
    with pytest.raises(ValueError, match=r'mixed\.json. has more than 2 bad annotations'):
        run_script(TOOLS + 'goldg2odvg.py', source, tmp_path / 'out.jsonl', '--max-bad', 2)
    assert not (tmp_path / 'out.jsonl').exists()


def coco_name(number):
    return f'COCO_train2014_{number:012d}.jpg'


@pytest.fixture
def refcoco(tmp_path):
    """Official files: images 1 to 4, one object each and two for image 1."""
    sentences = [{'raw': 'Left man.', 'sent': 'left man'}, {'raw': 'man in red'}]
    refs = [
        dict(ref_id=1, image_id=1, ann_id=11, split='train', sentences=sentences),
        dict(ref_id=2, image_id=1, ann_id=12, split='train', sentences=[{'raw': 'the dog'}]),
        dict(ref_id=3, image_id=2, ann_id=21, split='train', sentences=sentences),
        dict(ref_id=4, image_id=3, ann_id=31, split='train', sentences=sentences),
        dict(ref_id=5, image_id=4, ann_id=41, split='testA', sentences=sentences)]
    (tmp_path / 'refs(unc).p').write_bytes(pickle.dumps(refs))
    write_json(tmp_path / 'instances.json', {
        'images': [image(i, coco_name(i)) for i in (1, 2, 3, 4, 5)],
        'annotations': [{'id': 10 * i + j, 'image_id': i, 'bbox': BOX, 'category_id': 1,
                         'segmentation': [[10, 20, 40, 20, 40, 60]]}
                        for i in (1, 2, 3, 4, 5) for j in (1, 2)],
        'categories': [{'id': 1, 'name': 'thing'}]})
    write_json(tmp_path / 'val2017.json', {'images': [{'id': 2}]})
    write_json(tmp_path / 'lvis.json', {'images': [{'id': 1}]})
    write_json(tmp_path / 'val.json', {'images': [{'id': 70, 'file_name': coco_name(3)}]})
    return tmp_path


def test_official_references(run_script, refcoco, capsys):
    run_script(TOOLS + 'refcoco2odvg.py', refcoco / 'refs(unc).p', refcoco / 'out.jsonl',
               '--instances', refcoco / 'instances.json', '--coco-val', refcoco / 'val2017.json',
               '--eval-splits', refcoco / 'val.json', refcoco / 'refs(unc).p',
               '--lvis-val', refcoco / 'lvis.json')
    record, = read_lines(refcoco / 'out.jsonl')
    assert record['filename'] == coco_name(1)
    man, dog = record['grounding']['regions']
    assert (man['phrase'], man['synonyms'], man['bbox']) == ('Left man', ['man in red'], [CORNERS])
    assert man['mask'] == [[[10, 20, 40, 20, 40, 60]]]
    assert dog['phrase'] == 'the dog'
    out = capsys.readouterr().out
    assert f'1 images left out: in COCO val2017 (such as {coco_name(2)})' in out
    assert '1 images left out: in a val or test split of RefCOCO/+/g' in out
    assert '1 of 1 kept images are in LVIS val' in out


def test_mdetr_references_are_named_by_the_whole_caption(run_script, tmp_path):
    source = write_json(tmp_path / 'finetune_refcoco_val.json', {
        'images': [image(1, coco_name(1))], 'annotations': [spans(1, 1, [2, 9])]})
    run_script(TOOLS + 'refcoco2odvg.py', source, tmp_path / 'out.jsonl', '--keep-all')
    region, = read_lines(tmp_path / 'out.jsonl')[0]['grounding']['regions']
    assert (region['phrase'], region['bbox']) == (CAPTION, [CORNERS])


def test_evaluated_images_cannot_be_forgotten(run_script, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_script(TOOLS + 'refcoco2odvg.py', 'a.json', tmp_path / 'out.jsonl')
    assert 'give --coco-val and --eval-splits' in capsys.readouterr().err


def test_images_outside_of_the_folder(run_script, tmp_path):
    source = write_json(tmp_path / 'mixed.json', {
        'images': [image(1, 'x/../../1.jpg')], 'annotations': [spans(1, 1, [2, 9])],
        'categories': []})
    refs = write_json(tmp_path / 'refs.json', [
        {'image_id': 1, 'ann_id': 1, 'split': 'train', 'sentences': [{'raw': 'a car'}]}])
    for tool, *arguments in (
            ['goldg2odvg.py', source, tmp_path / 'a.jsonl', '--keep-coco'],
            ['refcoco2odvg.py', source, tmp_path / 'b.jsonl', '--keep-all'],
            ['refcoco2odvg.py', refs, tmp_path / 'c.jsonl', '--keep-all', '--instances', source]):
        with pytest.raises(ValueError, match=r"name of image 'x/\.\./\.\./1\.jpg' has '\.\.'"):
            run_script(TOOLS + tool, *arguments)
        run_script(TOOLS + tool, *arguments, '--allow-outside-images')
        assert read_lines(arguments[1])[0]['filename'] == 'x/../../1.jpg'
