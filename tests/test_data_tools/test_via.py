"""Files of VGG Image Annotator, read and converted."""

import csv
import io
import json

import pytest

from expalign.data_tools.labelled_to_coco import convert_labelled
from expalign.data_tools.via import read_via
from tests.helpers.annotations import write_image, write_json
from tests.helpers.label_folders import via_content, write_text

POLYGON = {'name': 'polygon', 'all_points_x': [10, 50, 10], 'all_points_y': [10, 10, 40]}


def convert(source, output, read=None, **options):
    result = convert_labelled(read_via(source, **read or {}), output, **options)
    return json.loads((output / 'annotations/train.json').read_text()), result


def one_image(tmp_path, regions, project=True):
    root = tmp_path / 'via'
    write_image(root / 'a.jpg')
    write_json(root / 'via.json', via_content(['a.jpg'], regions, project))
    return root


@pytest.mark.parametrize('project', [True, False])
def test_version_2(run_script, tmp_path, project):
    root = one_image(tmp_path, [
        {}, {'shape_attributes': POLYGON, 'region_attributes': {'class': 'plate', 'wet': 'yes'}},
        {'shape_attributes': {'name': 'circle', 'cx': 50, 'cy': 40, 'r': 10}},
        {'shape_attributes': {'name': 'ellipse', 'cx': 50, 'cy': 40, 'rx': 20, 'ry': 10,
                              'theta': 0}}], project)
    run_script('tools/dataset_converters/via2coco.py', root, tmp_path / 'out')
    content = json.loads((tmp_path / 'out/annotations/train.json').read_text())
    assert [a['bbox'] for a in content['annotations']] == [
        [25, 20, 50, 40], [10, 10, 40, 30], [40, 30, 20, 20], [30, 30, 40, 20]]
    assert content['annotations'][1]['segmentation'] == [[10, 10, 50, 10, 10, 40]]
    assert content['annotations'][1]['attributes'] == {'wet': 'yes'}
    assert [c['name'] for c in content['categories']] == ['plate', 'red cup']


def test_version_1_has_regions_by_number(tmp_path):
    root = tmp_path / 'balloon'
    for split in ('train', 'val'):
        write_image(root / split / 'a.jpg')
        content = via_content(['a.jpg'], [{'region_attributes': {}}], project=False)
        entry = content['a.jpg1234']
        entry['regions'] = {'0': entry['regions'][0]}
        write_json(root / split / 'via_region_data.json', content)
    with pytest.raises(ValueError, match='no region has an attribute.*via2coco, which has --name'):
        read_via(root)
    content, result = convert(root, tmp_path / 'out', {'name': 'balloon'})
    assert result.classes == ('balloon',)
    assert result.folders == {split: root / split for split in ('train', 'val')}
    assert content['annotations'][0]['bbox'] == [25, 20, 50, 40]


def project_3(**more):
    content = {
        'project': {'vid_list': ['1']}, 'config': {}, 'view': {'1': {'fid_list': [7]}},
        'attribute': {'1': {'aname': 'kind', 'options': {'0': 'cup', '1': 'plate'}}},
        'file': {'7': {'fid': 7, 'fname': 'a.jpg', 'src': '/x/a.jpg'}},
        'metadata': {'1_a': {'vid': '1', 'z': [], 'xy': [2, 25, 20, 50, 40], 'av': {'1': '1'}},
                     '1_b': {'vid': '1', 'z': [], 'xy': [7, 10, 10, 50, 10, 10, 40],
                             'av': {'1': '0'}},
                     '1_c': {'vid': '1', 'z': [], 'xy': [1, 5, 5], 'av': {'1': '0'}}}}
    return content | more


def test_version_3(tmp_path):
    root = tmp_path / 'via'
    write_image(root / 'a.jpg')
    write_json(root / 'project.json', project_3())
    content, result = convert(root, tmp_path / 'out')
    assert result.classes == ('cup', 'plate')
    assert [(a['category_id'], a['bbox'], a['area']) for a in content['annotations']] == [
        (2, [25, 20, 50, 40], 2000), (1, [10, 10, 40, 30], 600)]
    assert result.tallies['train']['regions left out: a point has no area'] == 1
    for more, message in (
            ({'view': {'1': {'fid_list': [7, 8]}}}, 'view .1. has not one image'),
            ({'metadata': {'a': {'vid': '1', 'z': [1.5], 'xy': [2, 1, 1, 5, 5]}}}, 'of a film'),
            ({'metadata': {'a': {'vid': '9', 'xy': [2, 1, 1, 5, 5]}}}, 'is of no view')):
        write_json(root / 'project.json', project_3(**more))
        with pytest.raises(ValueError, match=rf'project\.json.*{message}'):
            read_via(root)


def test_tables(tmp_path):
    root = tmp_path / 'via'
    for name in ('a.jpg', 'b.jpg'):
        write_image(root / name)
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(['#filename', 'file_size', 'file_attributes', 'region_count', 'region_id',
                   'region_shape_attributes', 'region_attributes'])
    shape = {'name': 'rect', 'x': 25, 'y': 20, 'width': 50, 'height': 40}
    rows.writerow(['a.jpg', 1, '{}', 2, 0, json.dumps(shape), '{"type":"cup"}'])
    rows.writerow(['a.jpg', 1, '{}', 2, 1, json.dumps(POLYGON), '{"type":"plate"}'])
    rows.writerow(['b.jpg', 1, '{}', 0, 0, '{}', '{}'])
    write_text(root / 'via.csv', text.getvalue())
    content, _ = convert(root, tmp_path / 'out')
    assert [a['bbox'] for a in content['annotations']] == [[25, 20, 50, 40], [10, 10, 40, 30]]
    assert len(content['images']) == 2
    write_text(root / 'via.csv', (
        '# Exported using VGG Image Annotator\n# CSV_HEADER = metadata_id,file_list,flags,'
        'temporal_coordinates,spatial_coordinates,metadata\n'
        '"1_a","[""a.jpg""]",0,"[]","[2,25,20,50,40]","{""kind"":""cup""}"\n'))
    content, result = convert(root, tmp_path / 'three')
    assert ([a['bbox'] for a in content['annotations']], result.classes) == (
        [[25, 20, 50, 40]], ('cup',))


def test_which_attribute_has_the_class(tmp_path):
    root = one_image(tmp_path, [{'region_attributes': {'colour': 'red', 'size': 'big'}}])
    with pytest.raises(ValueError, match=r"There are 'colour' \(1\), 'size' \(1\); .*--attribute"):
        read_via(root)
    assert convert(root, tmp_path / 'out', {'attribute': 'colour'})[1].classes == ('red',)
    write_json(root / 'via.json', via_content(['a.jpg'], [
        {'region_attributes': {'colour': 'red', 'Name': {'cup': True, 'plate': False}}}]))
    assert convert(root, tmp_path / 'ticked')[1].classes == ('cup',)


def test_the_size_of_the_file_tells_images_of_one_name_apart(tmp_path):
    root = tmp_path / 'via'
    content = {}
    for i, folder in enumerate(('x', 'y')):
        path = write_image(root / folder / 'a.jpg', width=100 + 20 * i, seed=i)
        size = path.stat().st_size
        content[f'a.jpg{size}'] = via_content(['a.jpg'], [{}], False)['a.jpg1234'] | {'size': size}
    write_json(root / 'via.json', content)
    written, _ = convert(root, tmp_path / 'out')
    assert [(image['file_name'], image['width']) for image in written['images']] == [
        ('x/a.jpg', 100), ('y/a.jpg', 120)]


@pytest.mark.parametrize(('region', 'message'), [
    ({'region_attributes': {'class': {'a': True, 'b': True}}}, 'several classes are ticked'),
    ({'region_attributes': {'class': ''}}, 'no region has an attribute'),
    ({'shape_attributes': None}, "has no 'shape_attributes'"),
    ({'shape_attributes': {'name': 'rect', 'x': 1, 'y': 'b', 'width': 2, 'height': 3}},
     'a rect needs the numbers x, y, width, height'),
    ({'shape_attributes': {'name': 'polygon', 'all_points_x': [1], 'all_points_y': []}},
     'as many all_points_x as all_points_y'),
])
def test_bad_regions_are_named(tmp_path, region, message):
    root = one_image(tmp_path, [region])
    with pytest.raises(ValueError, match=message) as caught:
        convert(root, tmp_path / 'out')
    assert 'via.json' in str(caught.value)


def test_a_file_that_is_read_is_not_written_to(tmp_path):
    root = one_image(tmp_path, [{}])
    (root / 'annotations').mkdir()
    (root / 'via.json').rename(root / 'annotations/train.json')
    before = (root / 'annotations/train.json').read_bytes()
    with pytest.raises(ValueError, match=r"train\.json' is the file to read.*would be lost"):
        convert(root, root)
    assert (root / 'annotations/train.json').read_bytes() == before


def test_shapes_without_area_are_counted(tmp_path):
    root = one_image(tmp_path, [{}, {'shape_attributes': {'name': 'point', 'cx': 1, 'cy': 2}},
                                {'shape_attributes': {'name': 'polyline'}},
                                {'shape_attributes': {'name': 'star'}}])
    tally = convert(root, tmp_path / 'out')[1].tallies['train']
    assert [tally[f'regions left out: {what}'] for what in (
        'a point has no area', 'a polyline has no area', "of the unknown kind 'star'")] == [1, 1, 1]
