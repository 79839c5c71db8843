"""Recognising a folder of labelled images, whatever its format."""

import json
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from expalign.data_tools.own_data import recognise
from tests.helpers.annotations import coco_content, write_image, write_json, write_yolo_folder
from tests.helpers.label_folders import (
    cvat_file,
    cvat_image,
    labelme_content,
    via_content,
    write_text,
    write_voc_folder,
)


def state(folder):
    return {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
            for path in Path(folder).rglob('*')}


def write_coco_folder(root, layout='{split}/_annotations.coco.json', images='{split}',
                      splits=('train', 'valid', 'test'), names=('cup', 'plate')):
    """A Roboflow export: the annotation file beside the images of each split."""
    for place, split in enumerate(splits):
        name = f'{split}_{place}.jpg'
        write_image(root / images.format(split=split) / name, seed=place)
        write_json(root / layout.format(split=split), coco_content(
            [{'id': 1, 'file_name': name}],
            [{'image_id': 1, 'category_id': 10, 'bbox': [5, 5, 30, 40], 'area': 1200}],
            list(names)))
    return root


@pytest.mark.parametrize(('layout', 'images'), [
    ('{split}/_annotations.coco.json', '{split}'),
    ('annotations/instances_{split}2017.json', '{split}2017'),
    ('annotations/{split}.json', 'images/{split}'),
    ('{split}.json', 'pictures'),
    ('{split}/result.json', '{split}/images'),
])
def test_coco(tmp_path, layout, images):
    root = write_coco_folder(tmp_path / 'data', layout, images)
    before = state(root)
    data = recognise(root, tmp_path / 'work')
    assert (data.format, data.classes) == ('COCO json', ('cup', 'plate'))
    assert data.said == ('COCO json: train 1 image, val 1 image, test 1 image, 2 classes, 3 boxes')
    assert data.splits == {ours: (str(root / layout.format(split=split)),
                                  str(root / images.format(split=split)))
                           for ours, split in (('train', 'train'), ('val', 'valid'),
                                               ('test', 'test'))}
    assert state(root) == before and not list((tmp_path / 'work').glob('*'))


def test_coco_whose_names_are_of_another_machine(tmp_path):
    root = write_coco_folder(tmp_path / 'data', 'annotations.json', 'images', ('train',))
    content = json.loads((root / 'annotations.json').read_text())
    content['images'][0]['file_name'] = 'C:\\data\\upload\\train_0.jpg'
    write_json(root / 'annotations.json', content)
    data = recognise(root, tmp_path / 'work')
    ann_file, folder = data.splits['train']
    assert Path(ann_file).is_relative_to(tmp_path / 'work')
    written = json.loads(Path(ann_file).read_text())
    assert (Path(folder) / written['images'][0]['file_name']).samefile(root / 'images/train_0.jpg')
    assert 'its images have other names here' in data.report
    before = state(tmp_path)
    assert recognise(root, tmp_path / 'work') == data and state(tmp_path) == before


def test_parts_with_other_categories_get_all(tmp_path):
    root = write_coco_folder(tmp_path / 'data', splits=('train',))
    write_coco_folder(root, splits=('valid',), names=('plate', 'fork'))
    data = recognise(root, tmp_path / 'work')
    assert data.classes == ('cup', 'plate', 'fork')
    names = {split: {c['name']: c['id'] for c in json.loads(Path(file).read_text())['categories']}
             for split, (file, _) in data.splits.items()}
    assert names == {'train': {'cup': 10, 'plate': 20, 'fork': 21},
                     'val': {'plate': 10, 'fork': 20, 'cup': 21}}


def test_coco_files_without_a_box_are_said(tmp_path):
    root = write_coco_folder(tmp_path / 'data', splits=('train', 'valid'))
    path = root / 'valid/_annotations.coco.json'
    write_json(path, json.loads(path.read_text()) | dict(annotations=[]))
    data = recognise(root, tmp_path / 'work')
    assert set(data.splits) == {'train'}
    assert data.report == (
        "1 files in COCO's layout are left out: without a box, or beside one that has the "
        f"instances of its part (such as '{path}')")


def test_one_file_of_coco(tmp_path):
    root = write_coco_folder(tmp_path / 'data', 'annotations/instances_{split}.json', '{split}')
    data = recognise(root / 'annotations/instances_valid.json', tmp_path / 'work')
    assert data.splits == {'train': (str(root / 'annotations/instances_valid.json'),
                                     str(root / 'valid'))}


def test_coco_faults(tmp_path):
    root = write_coco_folder(tmp_path / 'data')
    shutil.copy(root / 'train/_annotations.coco.json', root / 'train/again.json')
    with pytest.raises(ValueError, match=r"2 files in COCO's layout for 'train' \(train/_anno"):
        recognise(root, tmp_path / 'work')
    (root / 'train/again.json').unlink()
    (root / 'train/train_0.jpg').unlink()
    with pytest.raises(ValueError, match=r"none of its 1 images, such as 'train_0\.jpg', is below"):
        recognise(root, tmp_path / 'work')
    (root / 'train/_annotations.coco.json').write_text('{"images": [')
    with pytest.raises(ValueError, match=r'train/_annotations\.coco\.json.*not JSON'):
        recognise(root, tmp_path / 'work')
    with pytest.raises(FileNotFoundError, match=r'none.*does not exist: give a folder'):
        recognise(tmp_path / 'none', tmp_path / 'work')


@pytest.mark.parametrize('outlines', [False, True])
def test_yolo(tmp_path, outlines):
    root = write_yolo_folder(tmp_path / 'data', outlines)
    data = recognise(root, tmp_path / 'work')
    assert data.said == 'YOLO: train 2 images, val 2 images, 2 classes, 4 boxes' + (
        ' (4 with an outline)' if outlines else '')
    assert data.classes == ('red cup', 'blue plate')
    assert data.splits['val'][1] == str(root / 'images/val')
    assert recognise(root / 'data.yaml', tmp_path / 'work').said == data.said
    (root / 'data.yaml').unlink()
    write_text(root / 'classes.txt', 'red cup\nblue plate\n')
    assert recognise(root, tmp_path / 'work').said == data.said
    shutil.move(root, tmp_path / 'archive/inner')  # one folder further down
    write_text(tmp_path / 'archive/inner/data.yaml',
               'train: images/train\nval: images/val\nnames: [red cup, blue plate]\n')
    assert recognise(tmp_path / 'archive', tmp_path / 'work').said == data.said


def test_voc(tmp_path):
    root = write_voc_folder(tmp_path / 'data')
    before = state(root)
    data = recognise(root, tmp_path / 'work')
    assert data.said == 'Pascal VOC: train 2 images, test 2 images, 2 classes, 4 boxes'
    assert data.splits['test'][1] == str(root / 'test')
    content = json.loads(Path(data.splits['train'][0]).read_text())
    assert content['annotations'][0]['bbox'] == [25, 20, 50, 40]
    after = state(tmp_path)
    assert recognise(root, tmp_path / 'work') == data and state(tmp_path) == after
    assert state(root) == before


def write_labelme(root):
    for split in ('train', 'val'):
        write_image(root / split / 'a.jpg')
        write_json(root / split / 'a.json', labelme_content('a.jpg', [{}]))
    return 'labelme json: train 1 image, val 1 image, 1 class, 2 boxes'


def write_via(root):
    write_image(root / 'images/a.jpg')
    write_json(root / 'via_project.json', via_content(['a.jpg'], [{}]))
    return 'VIA json: train 1 image, 1 class, 1 box'


def write_cvat(root):
    write_image(root / 'images/a.jpg')
    write_text(root / 'annotations.xml', cvat_file(cvat_image('a.jpg')))
    return 'CVAT xml: train 1 image, 2 classes, 1 box'


def write_csv(root):
    for split in ('train', 'test'):
        write_image(root / split / 'a.jpg')
        write_text(root / split / '_annotations.csv',
                   'filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,80,cup,1,2,30,40\n')
    write_text(root / 'names.csv', 'id,name\n1,cup\n')
    return 'csv of boxes: train 1 image, test 1 image, 1 class, 2 boxes'


@pytest.mark.parametrize('write', [write_labelme, write_via, write_cvat, write_csv])
def test_files_of_label_tools(tmp_path, write):
    root = tmp_path / 'data'
    expected = write(root)
    before = state(root)
    data = recognise(root, tmp_path / 'work')
    assert data.said == expected
    for ann_file, folder in data.splits.values():
        content = json.loads(Path(ann_file).read_text())
        assert all((Path(folder) / image['file_name']).is_file() for image in content['images'])
    after = state(tmp_path)
    assert recognise(root, tmp_path / 'work') == data and state(tmp_path) == after
    assert state(root) == before


def test_one_file_of_a_label_tool(tmp_path):
    for write, name in ((write_via, 'via_project.json'), (write_cvat, 'annotations.xml')):
        expected = write(tmp_path / 'data')  # both beside one another
        assert recognise(tmp_path / 'data' / name, tmp_path / 'work').said == expected
    (tmp_path / 'data/labels').mkdir()
    shutil.move(tmp_path / 'data/annotations.xml', tmp_path / 'data/labels')
    assert recognise(tmp_path / 'data/labels/annotations.xml', tmp_path / 'work').said == expected


def test_data_that_changed_are_converted_again(tmp_path):
    root = write_voc_folder(tmp_path / 'data')
    first = recognise(root, tmp_path / 'work')
    write_image(root / 'train/2.jpg', seed=9)
    shutil.copy(root / 'train/1.xml', root / 'train/2.xml')
    second = recognise(root, tmp_path / 'work')
    assert 'train 3 images' in second.said and second.splits != first.splits
    assert Path(first.splits['train'][0]).is_file()  # a run that goes on with it is not disturbed


def test_the_work_folder_may_lie_inside_of_the_data(tmp_path):
    root = write_voc_folder(tmp_path / 'data')
    first = recognise(root, root / 'runs/one')
    write_json(root / 'runs/train.json', coco_content([], [], ['a']))  # what a run wrote beside
    assert recognise(root, root / 'runs/one') == first
    (root / 'runs/train.json').unlink()
    assert recognise(root, root / 'two').said == first.said  # not misled by the other's files


def test_runs_of_training_in_the_data_are_no_data(tmp_path):
    root = write_coco_folder(tmp_path / 'data')
    expected = recognise(root, tmp_path / 'work')
    for name in ('plan.json', 'config.py'):
        write_text(root / 'trained/data_probe' / name, '{}')
    shutil.copy(root / 'train/_annotations.coco.json', root / 'trained/data_probe/train.json')
    assert recognise(root, root / 'trained/data_tune/converted') == expected


def test_an_archive(tmp_path):
    root = write_voc_folder(tmp_path / 'data')
    path = Path(shutil.make_archive(tmp_path / 'cups', 'zip', root))
    data = recognise(path, tmp_path / 'work')
    assert data.said == 'Pascal VOC: train 2 images, test 2 images, 2 classes, 4 boxes'
    before = state(tmp_path)
    assert recognise(path, tmp_path / 'work') == data and state(tmp_path) == before
    for name, reason in (('../x.jpg', r"has '\.\.'"), ('/x.jpg', 'is an absolute path')):
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr(name, b'')
        with pytest.raises(ValueError, match=f'{reason}.*lead out of the folder'):
            recognise(path, tmp_path / 'work')
    with zipfile.ZipFile(path, 'w') as archive:
        link = zipfile.ZipInfo('a.jpg')
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, '/etc/passwd')
    with pytest.raises(ValueError, match=r"'a\.jpg' is a link, and so may lead out"):
        recognise(path, tmp_path / 'work')
    path.write_bytes(b'PK')
    with pytest.raises(ValueError, match=r'cups\.zip.*cannot be unpacked'):
        recognise(path, tmp_path / 'work')


def test_other_json_files_do_no_harm(tmp_path):
    root = write_voc_folder(tmp_path / 'data')
    write_text(root / 'notes.json', '{"a": 1,')
    write_json(root / 'settings.json', {'a': 1})
    for name in ('a.json', 'a.xml', 'a.csv', 'a.txt', 'a.yaml', 'a.jpg'):
        os.mkfifo(root / name)
    assert recognise(root, tmp_path / 'work').format == 'Pascal VOC'
    write_coco_folder(tmp_path / 'coco')
    write_text(tmp_path / 'coco/valid/_annotations.coco.json', '{"images": [')
    with pytest.raises(ValueError, match=r'valid/_annotations\.coco\.json.*not JSON'):
        recognise(tmp_path / 'coco', tmp_path / 'work')


def test_limits_of_archives(tmp_path, monkeypatch):
    path = Path(shutil.make_archive(tmp_path / 'cups', 'zip', write_voc_folder(tmp_path / 'data')))
    monkeypatch.setenv('EXPALIGN_MAX_UNPACKED_FILES', '7')
    with pytest.raises(ValueError, match='8 files in an archive of images, more than the limit of'):
        recognise(path, tmp_path / 'work')
    monkeypatch.delenv('EXPALIGN_MAX_UNPACKED_FILES')
    monkeypatch.setenv('EXPALIGN_MAX_UNPACKED_BYTES', '1000')
    with pytest.raises(ValueError, match='bytes in an archive of images, more than the limit'):
        recognise(path, tmp_path / 'work')


def test_no_format_and_several(tmp_path):
    write_image(tmp_path / 'data/a.jpg')
    write_text(tmp_path / 'data/readme.txt', 'nothing')
    write_text(tmp_path / 'data/b.xml', '<other/>')
    with pytest.raises(ValueError, match=(
            r"data' has no labels that are known\. Looked for: COCO json, YOLO.*"
            r'Found: 1 images, 1 other \.xml files')):
        recognise(tmp_path / 'data', tmp_path / 'work')
    write_text(tmp_path / 'data/c.csv', 'Bild;x1;y1;x2;y2\na.jpg;1;2;3;4\n')
    with pytest.raises(ValueError, match=(
            r"1 other \.csv files\. c\.csv has the columns 'Bild, x1, y1, x2, y2': boxes need the "
            'name of an image and four numbers')):
        recognise(tmp_path / 'data', tmp_path / 'work')
    (tmp_path / 'data/c.csv').unlink()
    write_voc_folder(tmp_path / 'data')
    write_json(tmp_path / 'data/a.json', coco_content([], [], ['a']))
    with pytest.raises(ValueError, match=(
            r'several formats: 5 images, COCO json \(1 file, such as a\.json\), Pascal VOC \(4 '
            r'files, such as 0\.xml\), 1 other .*Give the file or the folder of one')):
        recognise(tmp_path / 'data', tmp_path / 'work')
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(ValueError, match=r'is a pipe'):
        recognise(tmp_path / 'pipe', tmp_path / 'work')
