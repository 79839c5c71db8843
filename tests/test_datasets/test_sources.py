"""Every source gives records of one contract: labels, phrases, masks, leakage, errors."""

import json

import numpy as np
import pytest
from mmdet.datasets import LVISV1Dataset as MMDetLVISV1Dataset
from mmengine.registry import DATASETS

from expalign.datasets.sample_contract import check_record
from tests.helpers.sources import (
    CAPTION,
    POLYGONS,
    RLE,
    coco_source,
    image_entry,
    mdetr_source,
    odvg_source,
    refs_source,
    two_annotations,
    write_image,
    write_json,
)

SOURCES = pytest.mark.parametrize(
    'source', [coco_source, mdetr_source, odvg_source, refs_source])


def build(config, **changes):
    return DATASETS.build(config | changes)


def records(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@SOURCES
@pytest.mark.parametrize('test_mode', [False, True])
def test_records_keep_the_contract(source, test_mode, tmp_path):
    config = source(tmp_path)
    dataset = build(config, test_mode=test_mode)
    for record in records(dataset):
        check_record(record)
        assert (record['height'], record['width']) == (40, 60)
        assert record['img_path'].startswith(str(tmp_path))
        if test_mode:
            assert all(isinstance(entry, str) for entry in record['text'])
    assert build(config, source='mine').get_data_info(0)['source'] == 'mine'


@SOURCES
def test_text_is_a_new_list_for_each_sample(source, tmp_path):
    dataset = build(source(tmp_path))
    before = dataset.get_data_info(0)['text']
    text = dataset.get_data_info(0)['text']
    text.clear()
    assert dataset.get_data_info(0)['text'] == before != []


@SOURCES
def test_the_missing_file_is_named(source, tmp_path):
    config = source(tmp_path) | dict(ann_file='nowhere.json')
    with pytest.raises(FileNotFoundError, match="nowhere.json' not found.*check 'ann_file'"):
        build(config)


def test_coco_with_synonyms(tmp_path):
    path = write_json(tmp_path / 'texts.json', [['red box', 'crimson box'], ['blue box'], 'green'])
    dataset = build(coco_source(tmp_path), class_text_path=path)
    record = dataset.get_data_info(0)
    assert record['text'] == [['red box', 'crimson box'], 'blue box', 'green']
    assert (record['source'], record['text_kind']) == ('coco', 'detection')
    test = build(coco_source(tmp_path), class_text_path=path, test_mode=True)
    assert test.get_data_info(0)['text'] == ['red box', 'blue box', 'green']
    write_json(tmp_path / 'texts.json', [['red box']])
    with pytest.raises(ValueError, match="texts.json' has names for 1 classes, the data set has 3"):
        build(coco_source(tmp_path), class_text_path=path)


def test_mdetr(tmp_path):
    config = mdetr_source(tmp_path)
    record = build(config).get_data_info(1)
    assert record['text'] == ['A red box', 'a small blue box']
    assert [x['bbox_label'] for x in record['instances']] == [0, 1]
    assert record['instances'][0]['mask'] == POLYGONS and 'mask' not in record['instances'][1]
    assert (record['source'], record['text_kind']) == ('mdetr', 'grounding')
    assert build(config, whole_caption=True).get_data_info(0)['text'] == [CAPTION.strip('.')]


def test_odvg_has_both_kinds_in_one_file(tmp_path):
    config = odvg_source(tmp_path)
    detection, grounding = records(build(config))
    assert (detection['text_kind'], grounding['text_kind']) == ('detection', 'grounding')
    assert detection['text'] == ['green box', 'red box'] and grounding['text'] == ['A red box']
    assert detection['instances'] == [
        dict(bbox=[5, 5, 25, 35], bbox_label=1, ignore_flag=0, mask=RLE)]
    assert grounding['instances'][0]['mask'] == POLYGONS
    assert build(config).metainfo['classes'] == ('green box', 'red box')
    texts = write_json(tmp_path / 'texts.json', [['green box'], ['red box', 'crimson box']])
    assert build(config, class_text_path=texts).get_data_info(0)['text'] == [
        'green box', ['red box', 'crimson box']]
    with pytest.raises(ValueError, match="line 1 is a detection line: set 'label_map_file'"):
        build(config, label_map_file=None)
    write_json(tmp_path / 'label_map.json', {'0': 'red box', '1': 'red box'})
    with pytest.raises(ValueError, match="label map '.*label_map.json': .* 'red box' more than"):
        build(config)


@pytest.mark.parametrize(('line', 'message'), [
    (b'{"filename": ', 'not JSON'),
    (b'[1, 2]', 'a record must be an object'),
    (b'{"filename": "caf\xe9.jpg"}', r'byte 17 is not UTF-8 \(0xe9\)'),
    ('{"filename": "a.jpg"}'.encode('utf-16'),
     "byte 0 is .* text in UTF-16. .*'iconv -f utf-16 -t utf-8'"),
    (b'{"filename": "a.jpg"}', "a line needs either an object 'detection'"),
])
def test_bad_odvg_lines_have_a_number(line, message, tmp_path):
    config = odvg_source(tmp_path)
    path = tmp_path / 'odvg.jsonl'
    path.write_bytes(path.read_bytes() + b'\n' + line + b'\n')
    with pytest.raises(ValueError, match=f"odvg.jsonl', line 4: {message}"):
        build(config)


def test_refs(tmp_path):
    config = refs_source(tmp_path)
    first, second = records(build(config))
    assert first['text'] == [['left box', 'red one'], 'right box']
    assert first['instances'][0]['mask'] == POLYGONS
    assert (first['img_id'], second['img_id']) == (0, 1)
    found = records(build(config, split='val', test_mode=True))
    assert [record['text'] for record in found] == [['left box'], ['red one'], ['right box']]
    assert {record['img_id'] for record in found} == {2}
    with pytest.raises(ValueError, match=r"refs\(unc\).p' has no split 'testC'"):
        build(config, split='testC')


def test_lvis(tmp_path):
    image = dict(id=9, height=40, width=60, neg_category_ids=[5, 7],
                 coco_url='http://images.cocodataset.org/train2017/000000000009.png')
    raw = MMDetLVISV1Dataset.METAINFO['classes']
    annotations = two_annotations(9)
    for annotation, name in zip(annotations, ('bow_(weapon)', 'bat_(animal)'), strict=True):
        annotation['category_id'] = raw.index(name) + 1
        del annotation['iscrowd']
    path = write_json(tmp_path / 'lvis.json', dict(
        images=[image], annotations=annotations,
        categories=[dict(id=i + 1, name=name, frequency='c') for i, name in enumerate(raw)]))
    write_image(tmp_path / 'train2017' / '000000000009.png')
    config = dict(type='expalign.LVISV1Dataset', ann_file=path,
                  data_prefix=dict(img=str(tmp_path)))
    record = build(config).get_data_info(0)
    check_record(record)
    assert record['img_path'] == str(tmp_path / 'train2017' / '000000000009.png')
    assert len(record['text']) == 1203 and record['source'] == 'lvis'
    assert [record['text'][x['bbox_label']] for x in record['instances']] == ['bow (weapon)', 'bat']
    # Others were not looked for.
    assert np.flatnonzero(record['true_negatives']).tolist() == [4, 6]
    assert 'true_negatives' not in build(config, test_mode=True).get_data_info(0)


@pytest.fixture
def log(monkeypatch):
    said = []
    for module in ('source_records', 'formats.problems', 'bad_samples'):
        monkeypatch.setattr(f'expalign.datasets.{module}.print_log',
                            lambda message, **kwargs: said.append(message))
    return said


def test_leaking_images_are_dropped_and_counted(tmp_path, log):
    config = mdetr_source(tmp_path)
    content = json.loads((tmp_path / 'mdetr.json').read_text())
    content['images'][1]['data_source'] = 'coco'
    content['images'][2]['original_img_id'] = 2370799
    write_json(tmp_path / 'mdetr.json', content)
    vg = write_json(tmp_path / 'vg.json', [dict(image_id=2370799, coco_id=77)])
    dataset = build(config, leakage=dict(type='coco', vg_image_data=vg))
    assert [record['img_id'] for record in records(dataset)] == [0, 3]
    assert log == [
        f"mdetr: of 4 entries of '{tmp_path}/mdetr.json' dropped as known from evaluation sets: "
        "1 COCO by 'data_source', 1 COCO by Visual Genome's 'coco_id'"]
    assert len(build(config)) == 3  # the default, without Visual Genome's file
    assert len(build(config, leakage=None)) == len(build(config, test_mode=True)) == 4


def test_refcoco_leakage(tmp_path, log):
    config = refs_source(tmp_path, ('train', 'train', 'val', 'train'))
    other = write_json(tmp_path / 'finetune_refcoco+_testA.json', dict(
        images=[dict(file_name='COCO_train2014_000000000001.jpg')]))
    coco_val = write_json(tmp_path / 'val.json', dict(images=[dict(id=0)]))
    lvis_val = write_json(tmp_path / 'lvis.json', dict(images=[dict(id=3), dict(id=4)]))
    dataset = build(config, leakage=dict(
        type='refcoco', coco_val=coco_val, lvis_val=lvis_val,
        splits=[str(tmp_path / 'refs(unc).p'), other]))
    assert [record['img_id'] for record in records(dataset)] == [3]
    assert dataset.dropped_images == {
        'in COCO val2017': 1, 'in a val or test split of RefCOCO/+/g': 1}
    assert log[-1].endswith('; 1 of 1 kept images are in LVIS val')


def test_coco_images_in_objects365_are_dropped(tmp_path):
    coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    content['categories'] = [
        dict(id=i + 1, name=name) for i, name in enumerate(DATASETS.get(
            'expalign.Objects365V1Dataset').METAINFO['classes'])]
    content['images'][0]['coco_url'] = 'http://x/val2017/000000000042.jpg'
    write_json(tmp_path / 'coco.json', content)
    config = dict(type='expalign.Objects365V1Dataset', ann_file=str(tmp_path / 'coco.json'),
                  data_prefix=dict(img=str(tmp_path)))
    assert [record['img_id'] for record in records(build(config))] == [1, 2]
    content['images'] = content['images'][:1]
    content['annotations'] = content['annotations'][:2]
    write_json(tmp_path / 'coco.json', content)
    with pytest.raises(ValueError, match="can be used: 'leakage' of the dataset dropped"):
        build(config)


def test_filters_are_reported(tmp_path, log):
    config = mdetr_source(tmp_path, 2)
    content = json.loads((tmp_path / 'mdetr.json').read_text())
    content['images'].append(image_entry(5, 'empty.png', caption='Nothing.'))
    write_json(tmp_path / 'mdetr.json', content)
    assert len(build(config)) == 3
    dataset = build(config, filter_cfg=dict(filter_empty_gt=True, min_size=32))
    assert len(dataset) == 2 and "1 of 3 images left out by 'filter_cfg'" in log[-1]
    with pytest.raises(ValueError, match="'filter_cfg' .* leaves no image"):
        build(config, filter_cfg=dict(min_size=50))
    assert len(build(config, filter_cfg=dict(min_size=50), test_mode=True)) == 3


NAN = float('nan')


@pytest.mark.parametrize(('change', 'kind'), [
    (dict(bbox=[NAN, 5, 20, 30]), 'the box is not four finite numbers'),
    (dict(bbox=[5, 5, -20, 30]), 'the box has a negative width or height'),
    (dict(category_id=99), "the category id is not in 'categories'"),
])
def test_bad_coco_annotations(change, kind, tmp_path, log):
    config = coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    content['annotations'][0].update(change)
    write_json(tmp_path / 'coco.json', content)
    dataset = build(config)
    assert len(dataset.get_data_info(0)['instances']) == 1
    assert len(dataset.get_data_info(1)['instances']) == 2
    assert len(log) == 1 and f'annotations left out: 1 x {kind}' in log[0]
    assert "image 'coco_0.png', annotation 1" in log[0]
    with pytest.raises(ValueError, match="coco.json' has more than 0 bad annotations"):
        build(config, max_bad_annotations=0)
    with pytest.raises(ValueError, match=f"coco.json', image 'coco_0.png', annotation 1.*: {kind}"):
        build(config, test_mode=True)


def test_annotations_of_no_use_are_counted(tmp_path, log):
    config = coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    a = content['annotations']
    a[0]['bbox'] = [5, 5, 0.5, 5]
    a[1]['bbox'] = [60, 5, 5, 5]
    a[2]['ignore'] = True
    a[3]['area'] = 0
    del a[4]['area']
    a[5]['segmentation'] = []
    write_json(tmp_path / 'coco.json', content)
    dataset = build(config)
    assert [len(record['instances']) for record in records(dataset)] == [0, 1, 2]
    assert all(kind in log[0] for kind in (
        '1 x box thinner than a pixel', '1 x box outside of the image',
        "1 x annotation marked 'ignore'", "read as meant: 1 x 'area' that is no number above 0"))
    # The classes of what was left out are not absent.
    assert [record['true_negatives'].tolist() for record in records(dataset)[:2]] == [
        [False, False, True], [False, False, True]]
    assert 'true_negatives' not in dataset.get_data_info(2)
    build(config, test_mode=True)


def test_coco_annotations_of_no_image(tmp_path):
    config = coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    content['annotations'][3]['image_id'] = 77
    write_json(tmp_path / 'coco.json', content)
    with pytest.raises(ValueError, match="coco.json', annotation 4: annotation of an image that"):
        build(config)


@pytest.mark.parametrize('source', [coco_source, mdetr_source])
def test_files_that_are_not_utf8_are_named(source, tmp_path):
    config = source(tmp_path)
    path = tmp_path / config['ann_file']
    path.write_bytes(path.read_bytes().replace(b'"file_name"', b'"caf\xe9": 1, "file_name"', 1))
    with pytest.raises(ValueError, match=f"'{path}'.* not UTF-8"):
        build(config)


def test_captions_that_are_no_unicode_are_left_out(tmp_path):
    """JSON can spell half of a character, which no tokenizer takes."""
    config = mdetr_source(tmp_path)
    path = tmp_path / 'mdetr.json'
    path.write_text(path.read_text().replace('A red box', 'A red bo\\ud800', 1))
    dataset = build(config)
    assert dataset.get_data_info(0)['text'] == ['a small blue box']
    assert dataset.problems.num_bad == 1


@pytest.mark.parametrize(('source', 'key'), [
    (coco_source, 'file_name'), (mdetr_source, 'file_name'), (odvg_source, 'filename'),
    (refs_source, 'file_name')])
@pytest.mark.parametrize('name', ['/etc/a.png', '../a.png', 'http://127.0.0.1:9/a.png'])
def test_images_outside_of_their_folder_are_refused(source, key, name, tmp_path):
    config = source(tmp_path)
    path = next(path for path in tmp_path.glob('*.json*') if key in path.read_text())
    text = path.read_text().splitlines()[0]
    old = json.loads(text)
    old = old[key] if key in old else old['images'][0][key]
    path.write_text(path.read_text().replace(json.dumps(old), json.dumps(name), 1))
    with pytest.raises(ValueError, match=f"{path.name}', image '{name}': 'file_name' .*may lead "
                                         "out of the folder.*allow_outside_images=True"):
        build(config)
    assert name in build(config, allow_outside_images=True).get_data_info(0)['img_path']


def test_classes_that_only_group_others_are_none(tmp_path, log):
    """Roboflow's exports: the root of all classes, without an annotation, has the id 0."""
    config = coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    content['categories'] = [dict(id=0, name='boxes', supercategory='none')] + [
        dict(category, supercategory='boxes') for category in content['categories']]
    write_json(tmp_path / 'coco.json', content)
    dataset = build(config)
    assert dataset.metainfo['classes'] == ('red box', 'blue box', 'green box')
    assert dataset.get_data_info(0)['instances'][1]['bbox_label'] == 1
    assert "no class" in log[0] and "'supercategory' of others" in log[0]
    # Named in the config, or with an annotation, it is one.
    named = build(config, metainfo=dict(classes=('boxes', 'red box')))
    assert named.metainfo['classes'] == ('boxes', 'red box')
    content['annotations'][0]['category_id'] = 0
    write_json(tmp_path / 'coco.json', content)
    assert build(config).metainfo['classes'][0] == 'boxes'


def test_a_byte_order_mark_and_names_that_are_numbers(tmp_path):
    config = coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    for category in content['categories']:
        category['name'] = category['id']
    (tmp_path / 'coco.json').write_bytes(b'\xef\xbb\xbf' + json.dumps(content).encode())
    dataset = build(config)
    assert dataset.metainfo['classes'] == ('1', '2', '3')
    assert [len(record['instances']) for record in records(dataset)] == [2, 2, 2]


def test_ids_of_annotations_are_not_needed(tmp_path):
    config = coco_source(tmp_path)
    content = json.loads((tmp_path / 'coco.json').read_text())
    for index, annotation in enumerate(content['annotations']):
        if index % 2:
            del annotation['id']
        else:
            annotation['id'] = 1
    write_json(tmp_path / 'coco.json', content)
    for test_mode in (False, True):
        found = records(build(config, test_mode=test_mode))
        assert [len(record['instances']) for record in found] == [2, 2, 2]
