"""Layouts of public YOLO exports: every image found, with the label file that belongs to it."""

import os

import pytest
from PIL import Image

from expalign.data_tools.yolo_labels import label_file, label_place, note_unused
from expalign.data_tools.yolo_layout import read_layout


def export(root, *pairs, **files):
    """Write images with a label file each, and further files by name."""
    for image, label in pairs:
        for name in filter(None, (image, label)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (8, 6)).save(root / image, format='PNG')
        if label:
            (root / label).write_text('0 0.5 0.5 0.5 0.5\n')
    for name, content in files.items():
        (root / name.replace('__', '/').replace('_dot_', '.')).write_text(content)
    return root


def found(root, layout):
    """{split: {image: label}} as paths from ``root``, labels only where there is a file."""
    result = {}
    for split, part in layout.splits.items():
        place = label_place(part.files)
        result[split] = {
            str(file.relative_to(root)): str(place(file).relative_to(root))
            for file in part.files if place(file).is_file()}
        assert len(result[split]) == len(part.files)
    return result


def both(template):
    """The same pairs for the training and the validation split."""
    return [tuple(part.format(split) for part in template) for split in ('train', 'valid')]


@pytest.mark.parametrize('yaml', [
    'train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 1\nnames: [a]\n',
    'train: /content/Hats-1/train/images\nval: /content/Hats-1/valid/images\nnames: [a]\n',
    'path: C:\\data\ntrain: train\\images\nvalid: valid\\images\nnames: [a]\n',
    'path: ../datasets/hats\ntrain: train/images\nval: [valid/images, gone]\nnames: {0: a}\n',
])
def test_roboflow(tmp_path, yaml):
    root = export(tmp_path, *both(('{}/images/p.jpg', '{}/labels/p.txt')), data_dot_yaml=yaml,
                  README_dot_txt='x')
    layout = read_layout(root)
    assert found(root, layout) == {
        'train': {'train/images/p.jpg': 'train/labels/p.txt'},
        'val': {'valid/images/p.jpg': 'valid/labels/p.txt'}}
    missing = [note for note in layout.notes if 'does not exist and is left out' in note]
    assert len(missing) == ('test:' in yaml) + ('gone' in yaml)


def test_roboflow_darknet(tmp_path):
    root = export(tmp_path, *both(('{}/p.jpg', '{}/p.txt')), train___darknet_dot_labels='a\n')
    layout = read_layout(root)
    assert found(root, layout) == {'train': {'train/p.jpg': 'train/p.txt'},
                                   'val': {'valid/p.jpg': 'valid/p.txt'}}
    assert layout.names == {0: 'a'}


def test_coco128_with_links(tmp_path):
    """images/train2017 is a link; the labels are beside the link, not beside what it points to."""
    root = tmp_path / 'coco128_yolo'
    export(tmp_path / 'coco128', ('train/000009.jpg', None))
    (root / 'images').mkdir(parents=True)
    (root / 'labels/train2017').mkdir(parents=True)
    (root / 'labels/train2017/000009.txt').write_text('0 .5 .5 .4 .4\n')
    (root / 'images/train2017').symlink_to('../../coco128/train')
    (root / 'data.yaml').write_text(
        'path: ../datasets/coco128\ntrain: images/train2017\nval: images/train2017\ntest:\n'
        'names:\n  0: person\n')
    layout = read_layout(root / 'data.yaml')
    pair = {'images/train2017/000009.jpg': 'labels/train2017/000009.txt'}
    assert found(root, layout) == {'train': pair, 'val': pair}
    note_unused(layout)
    assert not layout.tallies['train']


def test_folders_behind_links(tmp_path):
    """Labels behind the link, links inside a folder, and links in a circle."""
    export(tmp_path / 'far', ('images/a.jpg', 'labels/a.txt'),
           ('images/in/b.jpg', 'labels/in/b.txt'))
    root = tmp_path / 'yolo'
    root.mkdir()
    (root / 'photographs').symlink_to(tmp_path / 'far/images')
    (root / 'data.yaml').write_text('train: photographs\nnames: [a]\n')
    split = read_layout(root).splits['train']
    assert [label_place(split.files)(file) for file in split.files] == [
        tmp_path / 'far/labels/a.txt', tmp_path / 'far/labels/in/b.txt']
    (root / 'images').mkdir()
    (root / 'images/batch1').symlink_to(tmp_path / 'far/images')
    (root / 'images/batch1/loop').symlink_to(root / 'images')
    (root / 'data.yaml').write_text('train: images\nnames: [a]\n')
    split = read_layout(root).splits['train']
    assert [str(file.relative_to(root)) for file in split.files] == [
        'images/batch1/a.jpg', 'images/batch1/in/b.jpg']


@pytest.mark.parametrize('line', [
    'data/obj_train_data/{}', 'obj_train_data/{}', './obj_train_data/{}',
    '/home/me/obj_train_data/{}', 'data\\obj_train_data\\{}', '{root}/obj_train_data/{}'])
def test_cvat(tmp_path, line):
    lines = '\n'.join(line.format(name, root=tmp_path) for name in ('a.PNG', 'in/b.png')) + '\n'
    root = export(
        tmp_path, ('obj_train_data/a.PNG', 'obj_train_data/a.txt'),
        ('obj_train_data/in/b.png', 'obj_train_data/in/b.txt'), obj_dot_names='a\n',
        train_dot_txt=lines,
        obj_dot_data='classes = 1\ntrain = data/train.txt\nnames = data/obj.names\nbackup = b/\n')
    layout = read_layout(root)
    assert found(root, layout) == {'train': {
        'obj_train_data/a.PNG': 'obj_train_data/a.txt',
        'obj_train_data/in/b.png': 'obj_train_data/in/b.txt'}}
    assert layout.names == {0: 'a'}


def test_cvat_for_ultralytics(tmp_path):
    root = export(tmp_path, ('images/train/a.jpg', 'labels/train/a.txt'),
                  train_dot_txt='data/images/train/a.jpg\nimages/train/gone.jpg\n',
                  data_dot_yaml='names:\n  0: a\npath: .\ntrain: train.txt\n')
    layout = read_layout(root)
    assert found(root, layout) == {'train': {'images/train/a.jpg': 'labels/train/a.txt'}}
    assert layout.tallies['train'] == {'images left out: missing or not readable': 1}


@pytest.mark.parametrize('folder', ['', 'images/'])
def test_label_studio_and_labelimg(tmp_path, folder):
    """One folder without splits: images/ with labels/ beside, or all in one folder."""
    labels = folder.replace('images', 'labels')
    root = export(tmp_path, (f'{folder}a.jpg', f'{labels}a.txt'), classes_dot_txt='a\n',
                  notes_dot_json='{}')
    layout = read_layout(root)
    assert found(root, layout) == {'train': {f'{folder}a.jpg': f'{labels}a.txt'}}
    note_unused(layout)
    assert not layout.tallies['train']


def test_names_in_the_folder_of_labels(tmp_path):
    root = export(tmp_path, ('images/train/a.jpg', 'labels/train/a.txt'))
    (root / 'labels/classes.txt').write_text('a\n')
    assert read_layout(root).names == {0: 'a'}


def test_several_folders_and_what_else_is_there(tmp_path):
    root = export(tmp_path, ('images/a/1.jpg', 'labels/a/1.txt'), ('images/b/1', 'labels/b/1.txt'),
                  ('images/b/1.jfif', None), ('images/b/._1.jpg', None),
                  images__b__movie_dot_mp4='no film', images__b__notes_dot_txt='x',
                  labels__b__2_dot_txt='',
                  data_dot_yaml='train: [images/a, images/b]\nnames: [a]\n')
    (root / 'labels/c').mkdir()
    (root / 'labels/a/in').mkdir()
    (root / 'labels/a/in/3.txt').touch()
    os.mkfifo(root / 'images/a/pipe.jpg')
    (root / 'images/a/gone.jpg').symlink_to('nowhere.jpg')
    layout = read_layout(root)
    assert found(root, layout) == {'train': {
        'images/a/1.jpg': 'labels/a/1.txt', 'images/b/1': 'labels/b/1.txt',
        'images/b/1.jfif': 'labels/b/1.txt'}}
    assert layout.splits['train'].folder == root / 'images'
    note_unused(layout)
    assert layout.tallies['train'] == {
        'images left out: missing or not readable': 2, 'hidden files left out': 1,
        'files left out: no image that training reads': 1, 'label files without an image': 2,
        'images that share the label file of another': 1}


@pytest.mark.parametrize(('images', 'labels'), [('Images', 'Labels'), ('JPEGImages', 'labels')])
def test_other_names_of_the_folders(tmp_path, images, labels):
    root = export(tmp_path, (f'VOC/{images}/a.jpg', f'VOC/{labels}/a.txt'),
                  train_dot_txt=f'/home/me/VOC/{images}/a.jpg\n', voc_dot_names='a\n',
                  voc_dot_data='train = train.txt\nnames = data/voc.names\n')
    assert found(root, read_layout(root)) == {
        'train': {f'VOC/{images}/a.jpg': f'VOC/{labels}/a.txt'}}


def test_only_the_last_folder_images_becomes_labels(tmp_path):
    assert str(label_file(tmp_path / 'images/x/images/my images/a.b.jpg')) == (
        f'{tmp_path}/images/x/labels/my images/a.b.txt')
    assert str(label_file(tmp_path / 'photos/images')) == f'{tmp_path}/photos/images.txt'


@pytest.mark.parametrize(('files', 'message'), [
    (dict(a_dot_yaml='x: 1', b_dot_yml='x: 1'), r'several descriptions \(a\.yaml, b\.yml\)'),
    (dict(a_dot_yaml='train: images\nnames: [a]\npath: [x]'), "'path' must be a folder"),
    (dict(a_dot_yaml='train: {x: images}\nnames: [a]'), "'train' must be a folder, a list of"),
    (dict(a_dot_yaml='train: [images, [x]]\nnames: [a]'), "'train' must be a folder, a list of"),
    (dict(a_dot_yaml='train: images/p.jpg\nnames: [a]'), r'byte 0x89 is not UTF-8; .* a PNG image'),
    (dict(a_dot_yaml='train: labels\nnames: [a]'), r"labels': no images \(\.bmp"),
    (dict(a_dot_yaml='train: ' + 'x' * 3000 + '\nnames: [a]'), r'xxx\.\.\..* does not exist'),
    (dict(a_dot_yaml='path: ' + 'x' * 3000 + '\ntrain: x\nnames: [a]'), 'does not exist: check'),
    (dict(a_dot_yaml='train: pipe\nnames: [a]'), "pipe' is a pipe"),
    (dict(a_dot_yaml='train: images\nnames: [a]\nkpt_shape: 17'), "'kpt_shape' must be two whole"),
])
def test_what_cannot_be_understood_is_one_error(tmp_path, files, message):
    root = export(tmp_path, ('images/p.jpg', 'labels/p.txt'), **files)
    os.mkfifo(root / 'pipe')
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_layout(root)


def test_attributes_of_a_mac_are_no_second_description(tmp_path):
    root = export(tmp_path, ('images/p.jpg', 'labels/p.txt'),
                  data_dot_yaml='train: images\nnames: [a]\n', **{'._data_dot_yaml': '\0'})
    assert read_layout(root).names == {0: 'a'}
