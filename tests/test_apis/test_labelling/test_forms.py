"""Labels in the forms of other tools, read back by this project's readers."""

import json
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest
from PIL import Image

from expalign.data_tools.cvat import read_cvat
from expalign.data_tools.json_kinds import COCO
from expalign.data_tools.label_writers import FORMATS, format_module
from expalign.data_tools.label_writers.outlines import outlines
from expalign.data_tools.label_writers.target import ImageLabels, Target
from expalign.data_tools.labelled_to_coco import convert_labelled
from expalign.data_tools.own_data import recognise
from expalign.datasets.formats.odvg import parse_label_map, parse_line
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.utils.tally import Tally
from tests.helpers.stub_labeller import (
    PROMPTS,
    box_of,
    encoded,
    label_with_stub,
    picture,
    write_pictures,
)

ODD = ['a b.png', 'ä€.png', 'line\nbreak.png', 'a"<&>\'.png', '{1}.png', '%41.png']
READABLE = [name for name in FORMATS if name != 'parquet']


@pytest.fixture(scope='module')
def labelled(tmp_path_factory):
    """Images with odd names in two folders, labelled in all forms; and their numbers by name."""
    root = tmp_path_factory.mktemp('labelled')
    numbers = {}
    for number, name in enumerate(ODD):
        for folder in ('one', 'two'):
            numbers[f'{folder}/{name}'] = number + 10 * (folder == 'two')
    for name, number in numbers.items():
        path = root / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number))
    (root / 'photos/one/empty.jpg').write_bytes(b'')
    summary = label_with_stub(root / 'photos', root / 'out', formats=READABLE)
    assert summary[:3] == (13, 1, 12)
    return root, numbers


def boxes_of(content: dict) -> dict[str, tuple]:
    """Class and box (x, y, w, h) by name, of a file in COCO's layout with one box an image."""
    classes = {entry['id']: entry['name'] for entry in content['categories']}
    names = {entry['id']: entry['file_name'] for entry in content['images']}
    assert max(Counter(entry['image_id'] for entry in content['annotations']).values()) == 1
    return {names[entry['image_id']]: (classes[entry['category_id']], entry['bbox'])
            for entry in content['annotations']}


def expected(numbers: dict[str, int]) -> dict[str, tuple]:
    result = {}
    for name, number in numbers.items():
        left, top, right, bottom = box_of(number)
        wide = right - left > bottom - top
        result[name] = (PROMPTS[wide], [left, top, right - left, bottom - top])
    return result


def check(found: dict[str, tuple], numbers: dict[str, int]) -> None:
    wanted = expected(numbers)
    assert found.keys() == wanted.keys()
    for name, (prompt, box) in wanted.items():
        assert found[name][0] == prompt, name
        assert found[name][1] == pytest.approx(box, abs=1e-3), name


def test_coco(labelled, tmp_path):
    root, numbers = labelled
    content = json.loads((root / 'out/coco/annotations.json').read_text())
    check(boxes_of(content), numbers)
    assert {entry['score'] for entry in content['annotations']} == {0.875}
    data = recognise(root / 'out/coco', tmp_path)
    file, images = data.splits['train']
    content = json.loads(Path(file).read_text())
    check(boxes_of(content), numbers)
    assert data.format == COCO and data.classes == tuple(PROMPTS)
    assert all((Path(images) / entry['file_name']).is_file() for entry in content['images'])


def test_yolo(labelled, tmp_path):
    root, numbers = labelled
    data = recognise(root / 'out/yolo', tmp_path)
    file, images = data.splits['train']
    check(boxes_of(json.loads(Path(file).read_text())), numbers)
    assert data.classes == tuple(PROMPTS)
    assert cv2.imread(str(Path(images) / 'one/ä€.png')).tolist() == picture(
        numbers['one/ä€.png']).tolist()


def test_cvat(labelled, tmp_path):
    root, numbers = labelled
    convert_labelled(read_cvat(root / 'out/cvat'), tmp_path / 'back')
    check(boxes_of(json.loads((tmp_path / 'back/annotations/train.json').read_text())), numbers)
    tree = ElementTree.parse(root / 'out/cvat/annotations.xml').getroot()
    # The elements and attributes of CVAT's documentation of the format, version 1.1.
    assert [entry.tag for entry in tree][:2] == ['version', 'meta'] and tree[0].text == '1.1'
    assert [entry.text for entry in tree.iterfind('meta/task/labels/label/name')] == PROMPTS
    places = [int(image.get('id')) for image in tree.iterfind('image')]
    assert places == sorted(set(places))
    for image in tree.iterfind('image'):
        assert image.keys() == ['id', 'name', 'width', 'height']
        assert set(image[0].keys()) == {
            'label', 'source', 'occluded', 'xtl', 'ytl', 'xbr', 'ybr', 'z_order'}


def test_odvg(labelled):
    root, numbers = labelled
    folder = root / 'out/odvg'
    names = parse_label_map(json.loads((folder / 'label_map.json').read_text()), 'x')
    assert names == PROMPTS
    found = {}
    for number, line in enumerate((folder / 'labels.jsonl').read_text().splitlines(), 1):
        record = parse_line(json.loads(line), number, names, AnnotationProblems('x'))
        (instance,) = record['instances']
        left, top, right, bottom = instance['bbox']
        found[record['file_name']] = (
            json.loads(line)['detection']['instances'][0]['category'],
            [left, top, right - left, bottom - top])
        assert (folder / 'images' / record['file_name']).is_file()
    check(found, numbers)


def test_label_studio(labelled):
    root, numbers = labelled
    tasks = json.loads((root / 'out/labelstudio/tasks-00001.json').read_text())
    by_address = {task['data']['image']: task['predictions'][0] for task in tasks}
    assert len(tasks) == len(by_address) == 12
    assert by_address.keys() >= {'/data/local-files/?d=one/a%20b.png',
                                 '/data/local-files/?d=two/%2541.png',
                                 '/data/local-files/?d=one/line%0Abreak.png'}
    prediction = by_address['/data/local-files/?d=two/a%20b.png']
    left, top, right, bottom = box_of(numbers['two/a b.png'])
    (result,) = prediction['result']
    assert result['value'] == dict(
        x=pytest.approx(100 * left / 64, abs=1e-3), y=pytest.approx(100 * top / 48, abs=1e-3),
        width=pytest.approx(100 * (right - left) / 64, abs=1e-3), rotation=0,
        height=pytest.approx(100 * (bottom - top) / 48, abs=1e-3), rectanglelabels=[PROMPTS[1]])
    config = ElementTree.parse(root / 'out/labelstudio/label_config.xml').getroot()
    controls = {entry.get('name'): entry for entry in config}
    assert controls[result['from_name']].get('toName') == result['to_name'] == 'image'
    assert [entry.get('value') for entry in controls['box']] == PROMPTS
    assert prediction['score'] == 0.875


def test_fiftyone(labelled):
    root, numbers = labelled
    content = json.loads((root / 'out/fiftyone/labels.json').read_text())
    check(boxes_of(content), numbers)
    for entry in content['images']:
        assert (root / 'out/fiftyone/data' / entry['file_name']).is_file()


def test_parquet(labelled):
    parquet = pytest.importorskip('pyarrow.parquet')
    root, _ = labelled
    label_with_stub(root / 'photos', root / 'out', formats=['parquet'])
    rows = parquet.read_table(root / 'out/parquet/labels.parquet').to_pylist()
    assert len(rows) == 13
    by_name = {row['name']: row for row in rows}
    assert by_name['one/empty.jpg']['error'] == 'the file is empty'
    assert by_name['one/a b.png']['boxes'] == [list(box_of(0))]


def test_an_upright_photograph_has_upright_boxes(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    (tmp_path / 'photos').mkdir()
    Image.fromarray(picture(1)).rotate(90, expand=True).save(
        tmp_path / 'photos/turned.png', exif=exif)
    label_with_stub(tmp_path / 'photos', tmp_path / 'out', formats=['coco'])
    content = json.loads((tmp_path / 'out/coco/annotations.json').read_text())
    assert (content['images'][0]['width'], content['images'][0]['height']) == (64, 48)
    check(boxes_of(content), {'turned.png': 1})


def test_two_suffixes_are_two_files_of_labels(tmp_path):
    write_pictures(tmp_path / 'photos', 2)
    (tmp_path / 'photos/00000.bmp').write_bytes(cv2.imencode('.bmp', picture(5))[1].tobytes())
    label_with_stub(tmp_path / 'photos', tmp_path / 'out', formats=['yolo'])
    files = sorted(path.name for path in (tmp_path / 'out/yolo').rglob('*.*') if 'data' not in
                   path.name)
    assert files == ['00000.bmp', '00000.txt', '00000_png.png', '00000_png.txt', '00001.png',
                     '00001.txt']


def target(folder: Path) -> Target:
    folder.mkdir()
    return Target(folder, PROMPTS, None, 'stub', Tally())


def masked(crop: np.ndarray, left: int, top: int) -> ImageLabels:
    mask = np.zeros((48, 64), np.uint8)
    mask[top:top + len(crop), left:left + crop.shape[1]] = crop
    encoding = coco_mask.encode(np.asfortranarray(mask))
    found = dict(prompt=PROMPTS[0], label=0, score=0.5, mask=dict(
        size=[48, 64], counts=encoding['counts'].decode()),
        box=[left, top, left + crop.shape[1], top + len(crop)])
    return ImageLabels(1, 'a.png', '/p/a.png', None, 64, 48, [found])


@pytest.mark.parametrize('crop', [
    [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]], [[1, 1], [1, 0]], [[1]]])
def test_masks(crop, tmp_path):
    crop = np.array(crop, np.uint8)
    image = masked(crop, 10, 20)
    with format_module('cvat').writer(target(tmp_path / 'cvat')) as add:
        add(image)
    element = ElementTree.parse(tmp_path / 'cvat/annotations.xml').getroot().find('image/mask')
    runs = [int(run) for run in element.get('rle').split(',')]
    values = np.repeat(np.arange(len(runs)) % 2, runs).reshape(crop.shape)
    assert values.tolist() == crop.tolist()
    assert [element.get(key) for key in ('left', 'top', 'width', 'height')] == [
        '10', '20', str(crop.shape[1]), str(len(crop))]
    with format_module('coco').writer(target(tmp_path / 'coco')) as add:
        add(image)
    (entry,) = json.loads((tmp_path / 'coco/annotations.json').read_text())['annotations']
    assert entry['area'] == crop.sum()
    assert coco_mask.decode(entry['segmentation'])[20:20 + len(crop), 10:10 + crop.shape[1]
                                                   ].tolist() == crop.tolist()


def test_outlines_of_a_mask():
    image = masked(np.ones((11, 21), np.uint8), 5, 7)
    (points,) = outlines(image.detections[0]['mask'])
    assert sorted(map(tuple, points)) == [(5.5, 7.5), (5.5, 17.5), (25.5, 7.5), (25.5, 17.5)]


@pytest.mark.parametrize(('form', 'name', 'message'), [
    ('cvat', 'x' * 65, 'has 65 letters, a label of CVAT at most 64'),
    ('cvat', 'a\x01b', r'has the character U\+0001, which XML and so CVAT cannot hold'),
    ('labelstudio', 'a\x0bb', r'has the character U\+000B, which XML and so Label Studio')])
def test_names_that_a_form_cannot_hold(form, name, message, tmp_path):
    write_pictures(tmp_path / 'photos', 1)
    with pytest.raises(ValueError, match=message):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out', formats=[form],
                        settings=dict(prompts=['a cat', name]))
    assert not (tmp_path / 'out').exists()
