"""labelme's JSON files, read and converted."""

import base64
import json
import math

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest

from expalign.data_tools.labelled_to_coco import convert_labelled
from expalign.data_tools.labelme import read_labelme
from tests.helpers.annotations import write_image, write_json
from tests.helpers.label_folders import BOX, labelme_content


def convert(root, output, **options):
    result = convert_labelled(read_labelme(root), output, **options)
    return json.loads((output / 'annotations/train.json').read_text()), result


def one_image(tmp_path, shapes, **more):
    root = tmp_path / 'labelme'
    write_image(root / 'a.jpg')
    write_json(root / 'a.json', labelme_content('a.jpg', shapes, **more))
    return root


def test_shapes(run_script, tmp_path):
    triangle = [[10, 10], [50, 10], [10, 40]]
    root = one_image(tmp_path, [
        {'points': [BOX[2:], BOX[:2]]}, {'shape_type': 'polygon', 'points': triangle},
        {'shape_type': None, 'label': 'b', 'points': triangle, 'description': 'x',
         'flags': {'wet': True, 'dry': False}},
        {'shape_type': 'circle', 'points': [[50, 40], [53, 44]]}])
    run_script('tools/dataset_converters/labelme2coco.py', root, tmp_path / 'out')
    content = json.loads((tmp_path / 'out/annotations/train.json').read_text())
    box, polygon, old, circle = content['annotations']
    assert (box['bbox'], box['area'], 'segmentation' in box) == ([25, 20, 50, 40], 2000, False)
    assert (polygon['segmentation'], polygon['bbox'], polygon['area']) == (
        [[10, 10, 50, 10, 10, 40]], [10, 10, 40, 30], 600)
    assert (old['area'], old['attributes']) == (600, {'wet': True, 'description': 'x'})
    assert circle['bbox'] == [45, 35, 10, 10]  # a radius of 5
    # A polygon of 36 corners on the circle: 18 * sin(10 degrees) of its square radius.
    assert circle['area'] == pytest.approx(25 * 18 * math.sin(math.pi / 18), abs=0.01)
    assert content['categories'] == [{'id': 1, 'name': 'b'}, {'id': 2, 'name': 'red cup'}]


def test_masks(tmp_path):
    pixels = np.zeros((11, 21), dtype=np.uint8)
    pixels[2:8, 5:15] = 255
    data = base64.b64encode(cv2.imencode('.png', pixels)[1].tobytes()).decode()
    root = one_image(tmp_path, [
        {'shape_type': 'mask', 'points': [[30, 20], [50, 30]], 'mask': data}])
    annotation, = convert(root, tmp_path / 'out')[0]['annotations']
    assert (annotation['bbox'], annotation['area']) == ([30, 20, 20, 10], 60)
    mask = coco_mask.decode(annotation['segmentation'])
    assert mask.shape == (80, 100) and mask.sum() == 60 and mask[22:28, 35:45].all()


def test_groups_are_one_object(tmp_path):
    parts = [[[0, 0], [10, 0], [0, 10]], [[20, 20], [30, 20], [20, 30]]]
    root = one_image(tmp_path, [
        {'shape_type': 'polygon', 'points': part, 'group_id': 1} for part in parts]
        + [{'group_id': 1, 'label': 'other'}, {'group_id': 2}])
    content, result = convert(root, tmp_path / 'out')
    first, other, second = content['annotations']
    assert (len(first['segmentation']), first['bbox'], first['area']) == (2, [0, 0, 30, 30], 100)
    assert other['bbox'] == second['bbox'] == [25, 20, 50, 40]
    assert result.tallies['train']['shapes joined with another of their group and label'] == 1


def test_what_is_left_out_is_counted(tmp_path):
    root = one_image(tmp_path, [
        {}, {'shape_type': 'line'}, {'shape_type': 'linestrip'}, {'shape_type': 'point'},
        {'shape_type': 'polygon'}, {'shape_type': 'spiral'}, {'label': '__ignore__'},
        {'shape_type': 'oriented_rectangle', 'points': [[50, 30], [60, 40], [50, 50], [40, 40]]}])
    write_json(root / 'results.json', {'anything': 1})
    write_image(root / 'empty.jpg', seed=1)
    write_json(root / 'empty.json', labelme_content('empty.jpg', []))
    content, result = convert(root, tmp_path / 'out')
    assert [a['bbox'] for a in content['annotations']] == [[25, 20, 50, 40], [40, 30, 20, 20]]
    tally = result.tallies['train']
    for reason in ('shapes left out: a line has no area', 'shapes left out: a point has no area',
                   'shapes left out: a linestrip has no area', 'images without an object',
                   'shapes left out: an outline of less than three points',
                   "shapes left out: of the unknown kind 'spiral'",
                   'shapes left out: of the label __ignore__',
                   'rotated boxes: the upright box around them is taken',
                   "JSON files left out: without 'shapes', so not labelme's"):
        assert tally[reason] == 1, reason


def test_images_that_only_their_annotation_has(tmp_path):
    root = one_image(tmp_path, [{}])
    content = (root / 'a.jpg').read_bytes()
    (root / 'a.jpg').unlink()
    write_json(root / 'a.json', labelme_content(
        'a.jpg', [{}], imageData=base64.b64encode(content).decode()))
    write_image(root / 'b.jpg', seed=1)
    write_json(root / 'b.json', labelme_content('..\\b.jpg', [{}]))
    written, result = convert(root, tmp_path / 'out', images='none')
    folder = result.folders['train']
    assert folder == tmp_path / 'out/train'
    assert [(folder / image['file_name']).read_bytes() for image in written['images']] == [
        content, (root / 'b.jpg').read_bytes()]
    assert result.tallies['train'][
        'images taken out of their annotation, which embeds them'] == 1


def test_an_embedded_image_counts_where_its_name_is_that_of_several(tmp_path):
    root = one_image(tmp_path, [{}])
    content = (root / 'a.jpg').read_bytes()
    (root / 'a.jpg').unlink()
    for seed, folder in enumerate(('x', 'y')):
        write_image(root / folder / 'a.jpg', seed=seed)
    write_json(root / 'a.json', labelme_content(
        'a.jpg', [{}], imageData=base64.b64encode(content).decode()))
    written, result = convert(root, tmp_path / 'out', images='none')
    (image,) = written['images']
    assert (result.folders['train'] / image['file_name']).read_bytes() == content


@pytest.mark.parametrize(('shape', 'message'), [
    ({'label': None}, r"shape 1: has no 'label'"),
    ({'points': 5}, r"'points' must be a list of \(x, y\), got 5"),
    ({'points': [[1, 2], [3]]}, r"'points' must be a list of \(x, y\), got \[3\]"),
    ({'points': [[1, 2], ['a', 3]]}, "'points' must be a list"),
    ({'points': [[1, 2]]}, r"a 'rectangle' does not have 1 points"),
    ({'shape_type': 'circle', 'points': [[1, 2]]}, r"a 'circle' does not have 1 points"),
    ({'shape_type': 'mask', 'mask': 'no'}, r"the 'mask' of a mask must be a PNG image"),
    ({'points': [[1, 2], [float('inf'), 3]]}, "'points' must be a list"),
])
def test_bad_shapes_are_named(tmp_path, shape, message):
    root = one_image(tmp_path, [shape])
    with pytest.raises(ValueError, match=rf'a\.json: {message}|a\.json: shape 1: {message}'):
        convert(root, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_bad_files_are_named(tmp_path):
    root = one_image(tmp_path, [{}])
    for text in ('{"shapes": [', '\xff'):
        (root / 'b.json').write_text(text, encoding='latin1')
        with pytest.raises(ValueError, match=r'b\.json.*(not JSON|UTF-8).*--max-bad N'):
            convert(root, tmp_path / 'out')
    content, _ = convert(root, tmp_path / 'out', max_bad=1, images='copy')
    assert len(content['annotations']) == 1
    with pytest.raises(ValueError, match='has no JSON file'):
        read_labelme(tmp_path / 'out/train')
