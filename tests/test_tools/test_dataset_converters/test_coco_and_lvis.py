"""coco2odvg.py, lvis2odvg.py and lvis_minival.py."""

import json
import os
import signal
import tempfile

import pytest

from expalign.data_tools import coco_to_odvg, lvis_minival
from expalign.data_tools.coco_stream import stream
from tests.helpers.annotations import coco_content, read_lines, write_json
from tests.helpers.processes import fork

TOOLS = 'tools/dataset_converters/'
POLYGON = [[1.0, 2.0, 11.0, 2.0, 11.0, 12.0]]
BOX = [1.0, 2.0, 10.0, 10.0]


def small_coco():
    return coco_content(
        [{'id': 7, 'file_name': 'b.jpg'}, {'id': 3, 'file_name': 'a.jpg'}],
        [
            {'image_id': 3, 'category_id': 20, 'bbox': BOX, 'segmentation': POLYGON},
            {'image_id': 3, 'category_id': 10, 'bbox': BOX, 'segmentation': []},
            {'image_id': 3, 'category_id': 10, 'bbox': BOX, 'iscrowd': 1,
             'segmentation': {'size': [80, 100], 'counts': [8000]}},
            {'image_id': 3, 'category_id': 10, 'bbox': [5, 5, 0, 9]},
            {'image_id': 3, 'category_id': 10, 'bbox': [100, 5, 9, 9]},
            {'image_id': 99, 'category_id': 10, 'bbox': BOX},
        ],
        ['cat ', 'dog'])


def test_coco2odvg(run_script, tmp_path, capsys):
    source = write_json(tmp_path / 'coco.json', small_coco())
    run_script(TOOLS + 'coco2odvg.py', source, tmp_path / 'out.jsonl')
    empty, full = read_lines(tmp_path / 'out.jsonl')  # in the order of the file's images
    assert empty == {'filename': 'b.jpg', 'height': 80, 'width': 100, 'img_id': 7,
                     'detection': {'instances': []}}
    dog, cat, crowd = full['detection']['instances']
    assert dog == {'bbox': [1.0, 2.0, 11.0, 12.0], 'label': 1, 'category': 'dog', 'mask': POLYGON}
    assert cat == {'bbox': [1.0, 2.0, 11.0, 12.0], 'label': 0, 'category': 'cat'}
    assert crowd['iscrowd'] == 1
    assert json.loads((tmp_path / 'out.label_map.json').read_text()) == {'0': 'cat', '1': 'dog'}
    out = capsys.readouterr().out
    for line in ('6 annotations read', '3 instances written', '2 instances with a mask',
                 '1 annotations left out: box thinner than a pixel',
                 '1 annotations left out: box outside of the image',
                 '1 annotations left out: their image is not listed (such as image 99)'):
        assert line in out


def test_mmdet_reads_the_result(run_script, tmp_path):
    from mmdet.datasets import ODVGDataset
    source = write_json(tmp_path / 'coco.json', small_coco())
    run_script(TOOLS + 'coco2odvg.py', source, tmp_path / 'out.jsonl', '--no-masks')
    dataset = ODVGDataset(
        data_root=str(tmp_path), ann_file='out.jsonl', label_map_file='out.label_map.json',
        data_prefix=dict(img='images/'), return_classes=True, pipeline=[])
    assert [len(dataset.get_data_info(i)['instances']) for i in range(2)] == [0, 3]
    assert dataset.get_data_info(1)['instances'][0]['bbox_label'] == 1
    assert 'mask' not in (tmp_path / 'out.jsonl').read_text()


@pytest.mark.parametrize(('change', 'message'), [
    ({'categories': []}, "has no 'categories': it is not in COCO's layout"),
    ({'images': []}, "has no 'images': it is not in COCO's layout"),
    ({'images': [{'id': 3, 'height': 8, 'width': 9}]}, "image 3: 'file_name' must be a string"),
    ({'images': [{'id': 3, 'file_name': 'a', 'width': 9}]}, "'height' and 'width' must be"),
    ({'images': [{'id': 3, 'file_name': 'a', 'height': 80, 'width': 100}] * 2},
     'the image id 3 occurs twice'),
    ({'annotations': [[1]]}, r'annotations\[0\] is a list, not an object'),
])
def test_bad_coco_files_are_named(run_script, tmp_path, change, message):
    source = write_json(tmp_path / 'coco.json', {**small_coco(), **change})
    with pytest.raises(ValueError, match=message) as info:
        run_script(TOOLS + 'coco2odvg.py', source, tmp_path / 'out.jsonl')
    assert 'coco.json' in str(info.value)
    assert [path.name for path in tmp_path.iterdir()] == ['coco.json']


def test_wrong_categories_are_counted_up_to_a_limit(run_script, tmp_path, capsys):
    source = write_json(tmp_path / 'coco.json', {
        **small_coco(), 'categories': [{'id': 10, 'name': 'cat'}]})
    run_script(TOOLS + 'coco2odvg.py', source, tmp_path / 'out.jsonl')
    assert "1 annotations left out: the category id is not in 'categories'" in (
        capsys.readouterr().out)
    with pytest.raises(ValueError, match=r'has more than 0 bad annotations'):
        run_script(TOOLS + 'coco2odvg.py', source, tmp_path / 'out.jsonl', '--max-bad', 0)


def test_a_file_cut_short_is_named(tmp_path):
    source = write_json(tmp_path / 'coco.json', small_coco())
    source.write_text(source.read_text()[:200])
    with pytest.raises(ValueError, match=r'coco\.json is not valid JSON .*may be cut short'):
        list(stream(source, 'images'))
    with pytest.raises(FileNotFoundError, match=r"annotation file '.*none\.json' does not exist"):
        list(stream(tmp_path / 'none.json', 'images'))


def small_lvis():
    url = 'http://images.cocodataset.org/{}/{}.jpg'
    images = [{'id': i, 'coco_url': url.format(folder, i), 'neg_category_ids': [20],
               'not_exhaustive_category_ids': [10]}
              for i, folder in enumerate(['val2017', 'train2017', 'val2017'])]
    annotations = [{'image_id': i, 'category_id': 10, 'bbox': BOX, 'segmentation': POLYGON,
                    'area': 50.5} for i in (0, 1, 1, 2)]
    content = coco_content(images, annotations, ['aerosol_can', 'alligator'])
    content['categories'][0]['frequency'] = 'r'
    return content


def test_lvis2odvg(run_script, tmp_path):
    source = write_json(tmp_path / 'lvis.json', small_lvis())
    run_script(TOOLS + 'lvis2odvg.py', source, tmp_path / 'out.jsonl')
    records = read_lines(tmp_path / 'out.jsonl')
    assert [r['filename'] for r in records] == ['val2017/0.jpg', 'train2017/1.jpg', 'val2017/2.jpg']
    assert records[0]['neg_category_ids'] == [1]  # labels
    assert records[0]['not_exhaustive_category_ids'] == [0]
    assert [len(r['detection']['instances']) for r in records] == [1, 2, 1]


def test_minival(run_script, tmp_path):
    content = small_lvis()
    source = write_json(tmp_path / 'lvis_v1_val.json', content)
    run_script(TOOLS + 'lvis_minival.py', source, tmp_path / 'minival.json')
    found = json.loads((tmp_path / 'minival.json').read_text())
    assert found['images'] == [content['images'][0], content['images'][2]]
    assert found['annotations'] == [content['annotations'][0], content['annotations'][3]]
    assert found['categories'] == content['categories']


def test_minival_refuses_other_files(tmp_path, monkeypatch):
    content = small_lvis()
    source = write_json(tmp_path / 'lvis.json', content)
    monkeypatch.setattr(lvis_minival, 'OFFICIAL_VAL_IMAGES', 3)
    with pytest.raises(ValueError, match=r'2 of 3 images lie in val2017/, where the official file'):
        lvis_minival.extract_minival(source, tmp_path / 'out.json')
    content['images'] = content['images'][1:2]
    with pytest.raises(ValueError, match=r'none of 1 images has a coco_url in val2017/'):
        lvis_minival.extract_minival(write_json(source, content), tmp_path / 'out.json')


@pytest.mark.parametrize('name', ['../b.jpg', '/etc/b.jpg', 'C:\\b.jpg', 's3://bucket/b.jpg'])
def test_images_outside_of_the_folder(run_script, tmp_path, name):
    content = small_coco()
    content['images'][0]['file_name'] = name
    source, out = write_json(tmp_path / 'coco.json', content), tmp_path / 'out.jsonl'
    with pytest.raises(ValueError, match=r"coco\.json.: the name of image .*allow-outside-images"):
        run_script(TOOLS + 'coco2odvg.py', source, out)
    assert os.listdir(tmp_path) == ['coco.json']
    run_script(TOOLS + 'coco2odvg.py', source, out, '--allow-outside-images')
    assert read_lines(out)[0]['filename'] == name


def test_lvis_addresses_that_lead_out(run_script, tmp_path):
    content = small_coco()
    for image in content['images']:
        image['coco_url'] = 'http://images.cocodataset.org/val2017/../etc'
    source = write_json(tmp_path / 'lvis.json', content)
    with pytest.raises(ValueError, match=r"name of image '\.\./etc' has '\.\.'"):
        run_script(TOOLS + 'lvis2odvg.py', source, tmp_path / 'out.jsonl')


def test_ids_are_read_as_training_reads_them(run_script, tmp_path):
    """As text, as 3.0, and crowds as text; what is no id is an error with its place."""
    content = small_coco()
    content['images'][1]['id'] = '3'
    content['annotations'] = [
        {'id': i, 'image_id': '3', 'category_id': 10.0, 'bbox': BOX, 'iscrowd': crowd}
        for i, crowd in enumerate(('0', '1', 0.0))]
    source = write_json(tmp_path / 'coco.json', content)
    run_script(TOOLS + 'coco2odvg.py', source, tmp_path / 'out.jsonl')
    instances = read_lines(tmp_path / 'out.jsonl')[1]['detection']['instances']
    assert [instance.get('iscrowd', 0) for instance in instances] == [0, 1, 0]
    for key, record in (('id', content['images'][0]), ('image_id', content['annotations'][0])):
        kept, record[key] = record[key], [3]
        write_json(source, content)
        with pytest.raises(ValueError, match=rf"coco\.json: the '{key}' of .* got \[3\]"):
            run_script(TOOLS + 'coco2odvg.py', source, tmp_path / 'out.jsonl')
        record[key] = kept


def test_the_source_is_not_overwritten(run_script, tmp_path):
    source = write_json(tmp_path / 'coco.json', small_coco())
    (tmp_path / 'link.jsonl').symlink_to(source)
    for output, *options in ([source], [tmp_path / 'link.jsonl'],
                             [tmp_path / 'out.jsonl', '--label-map', source]):
        with pytest.raises(ValueError, match='is the file to read'):
            run_script(TOOLS + 'coco2odvg.py', source, output, *options)
    assert json.loads(source.read_text()) == small_coco()
    with pytest.raises(ValueError, match='cannot be both the result and its label map'):
        run_script(TOOLS + 'coco2odvg.py', source, tmp_path / 'a', '--label-map', tmp_path / 'a')


def convert_until_stopped(folder, number):
    """A conversion that gets a signal at its first image."""
    tempfile.tempdir = str(folder / 'scratch')
    coco_to_odvg.parse_image = lambda *args: os.kill(os.getpid(), number)
    coco_to_odvg.convert_coco(folder / 'coco.json', folder / 'out/a.jsonl', folder / 'out/a.json')


def test_signals_leave_nothing_and_a_kill_is_tidied_up(tmp_path, monkeypatch):
    write_json(tmp_path / 'coco.json', small_coco())
    (tmp_path / 'scratch').mkdir()
    places = [tmp_path / 'out', tmp_path / 'scratch']
    assert fork(convert_until_stopped, tmp_path, signal.SIGTERM) == 128 + signal.SIGTERM
    assert [os.listdir(place) for place in places] == [[], []]
    assert fork(convert_until_stopped, tmp_path, signal.SIGKILL) == -signal.SIGKILL
    assert [len(os.listdir(place)) for place in places] == [1, 1]
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'scratch'))
    coco_to_odvg.convert_coco(tmp_path / 'coco.json', tmp_path / 'out/b.jsonl',
                              tmp_path / 'out/b.json')
    assert sorted(os.listdir(places[0])) == ['b.json', 'b.jsonl']
    assert os.listdir(places[1]) == []
