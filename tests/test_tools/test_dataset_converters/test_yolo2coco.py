"""tools/dataset_converters/yolo2coco.py."""

import json

import pytest
from PIL import Image

from expalign.data_tools.yolo_layout import read_layout
from tests.helpers.annotations import write_image, write_yolo_folder

TOOL = 'tools/dataset_converters/yolo2coco.py'


def convert(run_script, source, output, *options):
    run_script(TOOL, source, output, *options)
    return json.loads((output / 'annotations' / 'train.json').read_text())


def test_boxes(run_script, tmp_path, capsys):
    source = write_yolo_folder(tmp_path / 'yolo')
    (source / 'labels/train/1.txt').write_text('1 0.1 0.1 0.4 0.2\n')  # reaches over the left edge
    content = convert(run_script, source, tmp_path / 'out')
    assert content['categories'] == [{'id': 1, 'name': 'red cup'}, {'id': 2, 'name': 'blue plate'}]
    assert content['images'][0] == {'id': 1, 'file_name': '0.jpg', 'width': 100, 'height': 80}
    # 0.5 -+ 0.25 of 100 x 80 pixels; and 0.1 -+ 0.2, cut at 0.
    assert content['annotations'][0]['bbox'] == [25.0, 20.0, 50.0, 40.0]
    assert content['annotations'][1] == {
        'id': 2, 'image_id': 2, 'category_id': 2, 'bbox': [0.0, 0.0, 30.0, 16.0], 'area': 480.0,
        'iscrowd': 0}
    assert (tmp_path / 'out/train/0.jpg').read_bytes() == (
        source / 'images/train/0.jpg').read_bytes()
    assert '2 annotations written' in capsys.readouterr().out
    convert(run_script, source, tmp_path / 'out')  # again: the links are there already


def test_outlines_become_polygons(run_script, tmp_path):
    source = write_yolo_folder(tmp_path / 'yolo', outlines=True)
    (source / 'labels/train/1.txt').write_text('1 0 0 0.5 0 0 0.5\n')  # a triangle
    first, second = convert(run_script, source, tmp_path / 'out')['annotations']
    assert first['segmentation'] == [[25.0, 20.0, 75.0, 20.0, 75.0, 60.0, 25.0, 60.0]]
    assert (first['bbox'], first['area']) == ([25.0, 20.0, 50.0, 40.0], 2000.0)
    assert (second['bbox'], second['area']) == ([0.0, 0.0, 50.0, 40.0], 1000.0)


def test_what_is_left_out_is_counted(run_script, tmp_path, capsys):
    source = write_yolo_folder(tmp_path / 'yolo', images=4)
    (source / 'labels/train/0.txt').write_text('0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n')
    (source / 'labels/train/1.txt').write_text('0 0.5 0.5 0 0.1\n')
    (source / 'labels/train/2.txt').unlink()
    (source / 'images/train/3.jpg').write_bytes(b'')
    content = convert(run_script, source, tmp_path / 'out', '--images', 'copy')
    assert (len(content['images']), len(content['annotations'])) == (3, 1)
    out = capsys.readouterr().out
    for line in ('1 labels left out: the same row twice', '1 labels left out: no area',
                 '1 images without a label file', '1 images left out: missing or not readable'):
        assert line in out
    assert not (tmp_path / 'out/train').is_symlink()


def test_a_photograph_turned_by_exif_has_its_size_as_loaded(run_script, tmp_path):
    source = write_yolo_folder(tmp_path / 'yolo')
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(source / 'images/train/0.jpg') as image:
        image.save(source / 'images/train/0.jpg', exif=exif)
    image = convert(run_script, source, tmp_path / 'out')['images'][0]
    assert (image['width'], image['height']) == (80, 100)


@pytest.mark.parametrize(('row', 'message'), [
    ('0 0.5 0.5 0.1', r'0\.txt, line 1: 4 numbers; a row is the class and four numbers'),
    ('0 0.5 0.5 0.1 0.1 0.9', r'line 1: 6 numbers; a row'),
    ('2 0.5 0.5 0.1 0.1', r'line 1: class 2 has no name; there are names for 0 to 1'),
    ('0.5 0.5 0.5 0.1 0.1', r'line 1: class 0\.5 has no name'),
    ('0 120 80 20 20', r"has a value outside 0 to 1; YOLO labels are shares"),
    ('0 nan 0.5 0.1 0.1', r"has a value outside 0 to 1"),
    ('cup 0.5 0.5 0.1 0.1', r"'cup 0\.5 0\.5 0\.1 0\.1' is not a row of numbers"),
])
def test_bad_labels_are_named(run_script, tmp_path, row, message):
    source = write_yolo_folder(tmp_path / 'yolo')
    (source / 'labels/train/0.txt').write_text(row)
    with pytest.raises(ValueError, match=message):
        convert(run_script, source, tmp_path / 'out')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['yolo']


def test_no_labels_at_all_is_an_error(run_script, tmp_path):
    source = write_yolo_folder(tmp_path / 'yolo')
    for file in (source / 'labels/train').iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"have no labels: they are expected in .*labels/train/0"):
        convert(run_script, source, tmp_path / 'out')


def test_layouts(tmp_path):
    root = write_yolo_folder(tmp_path / 'yolo')
    (root / 'data.yaml').unlink()
    with pytest.raises(ValueError, match=r'has no class names: write them as .names'):
        read_layout(root)
    layout = read_layout(root, names=['a', 'b'])
    assert layout.names == {0: 'a', 1: 'b'}
    assert [file.name for file in layout.splits['val'].files] == ['0.jpg', '1.jpg']

    exported = tmp_path / 'exported'  # folders as hosted services export them
    for split in ('train', 'valid'):
        write_image(exported / split / 'images' / 'a.png')
    (exported / 'data.yaml').write_text(
        'train: ../train/images\nval: ../valid/images\nnames: {0: cup}\n')
    layout = read_layout(exported / 'data.yaml')
    assert layout.splits['val'].folder == exported / 'valid/images'
    assert layout.splits['val'].files == [exported / 'valid/images/a.png']

    (exported / 'list.txt').write_text('train/images/a.png\n')
    (exported / 'data.yaml').write_text('train: list.txt\nnames: [cup]\n')
    assert read_layout(exported).splits['train'].files == [exported / 'train/images/a.png']


def test_a_validation_split_can_be_made(run_script, tmp_path, capsys):
    source = write_yolo_folder(tmp_path / 'yolo', images=8)
    (source / 'data.yaml').write_text('train: images/train\nnames: [a, b]\n')
    convert(run_script, source, tmp_path / 'none')
    assert 'no validation split: --val-share 0.1' in capsys.readouterr().out
    train = convert(run_script, source, tmp_path / 'out', '--val-share', 0.25)
    val = json.loads((tmp_path / 'out/annotations/val.json').read_text())
    names = [{image['file_name'] for image in part['images']} for part in (train, val)]
    assert [len(part) for part in names] == [6, 2]
    assert names[0] | names[1] == {f'{i}.jpg' for i in range(8)}
    assert all((tmp_path / 'out/val' / name).is_file() for name in names[1])
    assert convert(run_script, source, tmp_path / 'again', '--val-share', 0.25) == train
    with pytest.raises(ValueError, match=r'--val-share 0\.01: 0 of 8 images would be for valid'):
        convert(run_script, source, tmp_path / 'few', '--val-share', 0.01)
    source = write_yolo_folder(tmp_path / 'both')
    with pytest.raises(ValueError, match=r'has a validation split already'):
        convert(run_script, source, tmp_path / 'few', '--val-share', 0.5)


@pytest.mark.parametrize(('content', 'message'), [
    ('names: [a]\n', 'has no training images'),
    ('train: images/none\nnames: [a]\n', r"images/none', named in '.*data\.yaml', does not exist"),
    ('train: images/train\nnames: [a, a]\n', r"has the class name 'a' for more than one number"),
    ('- a\n', r"must hold keys such as 'train'"),
])
def test_bad_layouts(tmp_path, content, message):
    root = write_yolo_folder(tmp_path / 'yolo')
    (root / 'data.yaml').write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_layout(root)
