"""Images of evaluation sets, told by their source's own link and by nothing else."""

import json
import pickle

import pytest

from expalign.datasets.formats.leakage import CocoLeakage, build_leakage, coco_id, evaluated_images


@pytest.mark.parametrize(('image', 'expected'), [
    (dict(file_name='COCO_train2014_000000581857.jpg'), 581857),
    (dict(file_name='images/COCO_val2014_000000000042_3.jpg'), 42),
    (dict(file_name='train2017/000000000009.jpg'), 9),
    (dict(file_name='9.jpg', coco_url='http://images.cocodataset.org/val2017/000000397133.jpg'),
     397133),
    # Numbers, and other sets that have folders or names like COCO's.
    (dict(file_name='000000000009.jpg'), None),
    (dict(file_name='2370799.jpg', id=9), None),
    (dict(file_name='obj365_train_000000000009.jpg'), None),
    (dict(file_name='train/000000000009.jpg'), None),
    (dict(file_name='COCO_test2015_000000000009.jpg'), None),
    ({}, None),
])
def test_links_to_coco(image, expected):
    assert coco_id(image) == expected


def write(path, content):
    path.write_text(json.dumps(content))
    return str(path)


def test_objects365_and_goldg(tmp_path):
    vg = write(tmp_path / 'image_data.json', [
        dict(image_id=2370799, coco_id=9), dict(image_id=61512, coco_id=None)])
    rule = CocoLeakage(vg)
    gqa = dict(file_name='2370799.jpg', dataset_name='mixed')
    assert rule.reason(gqa | dict(original_img_id=2370799)) == "COCO by Visual Genome's 'coco_id'"
    assert rule.reason(gqa | dict(original_img_id=61512)) is None
    assert rule.reason(gqa | dict(original_img_id=9)) is None  # COCO's number, not VG's
    assert rule.reason(gqa | dict(id=2370799)) is None
    # Flickr's numbers are of another kind.
    assert rule.reason(dict(original_img_id=2370799, data_source='flickr')) is None
    assert rule.reason(gqa | dict(data_source='coco')) == "COCO by 'data_source'"
    assert rule.reason(dict(file_name='train2014/COCO_train2014_000000000009.jpg')) == (
        'COCO by file name or URL')
    assert CocoLeakage().reason(gqa | dict(original_img_id=2370799)) is None
    with pytest.raises(ValueError, match="no.json' is not Visual Genome's image_data.json"):
        CocoLeakage(write(tmp_path / 'no.json', dict(a=1)))


def test_refcoco(tmp_path):
    def image(number):
        return dict(id=number, file_name=f'COCO_train2014_{number:012d}.jpg')

    refs = [dict(image_id=number, ann_id=1, split=split, sentences=[])
            for number, split in ((1, 'train'), (2, 'val'), (3, 'testB'), (2, 'train'))]
    official = tmp_path / 'refs(unc).p'
    official.write_bytes(pickle.dumps(refs))
    mdetr = write(tmp_path / 'finetune_refcocog_test.json', dict(images=[image(4)]))
    assert evaluated_images(str(official)) == {2, 3} and evaluated_images(mdetr) == {4}
    rule = build_leakage(dict(
        type='refcoco', splits=[str(official), mdetr],
        coco_val=write(tmp_path / 'val.json', dict(images=[dict(id=5)])),
        lvis_val=write(tmp_path / 'lvis.json', dict(images=[dict(id=5), dict(id=6), dict(id=8)]))))
    reasons = [rule.reason(image(number)) for number in (1, 2, 3, 4, 5, 6, 6, 7)]
    split = 'in a val or test split of RefCOCO/+/g'
    assert reasons == [None, split, split, split, 'in COCO val2017', None, None, None]
    assert rule.note() == '1 of 3 kept images are in LVIS val'
    with pytest.raises(ValueError, match="image '7.jpg' has no COCO file name"):
        rule.reason(dict(file_name='7.jpg'))


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="'leakage' must be of type 'coco' or 'refcoco', got 'x'"):
        build_leakage('x')
    assert build_leakage(None) is None and isinstance(build_leakage('coco'), CocoLeakage)
    with pytest.raises(ValueError, match="x.json' has no list 'images'"):
        evaluated_images(write(tmp_path / 'x.json', []))
    with pytest.raises(ValueError, match="y.json' has images without a COCO file name"):
        evaluated_images(write(tmp_path / 'y.json', dict(images=[dict(id=4)])))
