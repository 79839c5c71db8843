"""Rows of YOLO labels, and what a conversion leaves behind."""

import json
import os

import pytest
from PIL import Image

from expalign.data_tools.image_size import image_size
from expalign.data_tools.yolo_labels import LabelReader, parse_row
from expalign.data_tools.yolo_layout import YoloLayout, read_layout
from expalign.data_tools.yolo_to_coco import convert_yolo
from expalign.utils.tally import Tally
from tests.helpers.annotations import write_yolo_folder


def read(path, text, keypoints=0, max_bad=0):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    reader = LabelReader(YoloLayout({0: 'a', 2: 'b'}, {}, keypoints), Tally(), max_bad)
    return reader.annotations(path, (100, 80)), reader.tally


def test_boxes_and_outlines_in_one_file(tmp_path):
    found, tally = read(tmp_path / '1.txt', (
        '\ufeff0 0.5 0.5 0.5 0.5\r\n\r\n'
        '2 0 0 0.5 0 0 0.5\n'  # a triangle of 50 x 40 / 2
        '2.0 0 0 0.5 0 0 0.5\n'  # once more
        '0 0 0 0.5 0.5 1 1\n'  # a line
        '0 -0.0005 0.25 1.0005 0.25 1 0.75 0 0.75\n'))  # rounding: cut at the border
    assert [(a['bbox'], a['area'], a['category_id']) for a in found] == [
        ([25.0, 20.0, 50.0, 40.0], 2000.0, 1), ([0.0, 0.0, 50.0, 40.0], 1000.0, 3),
        ([0.0, 20.0, 100.0, 40.0], 4000.0, 1)]
    assert found[2]['segmentation'] == [[0.0, 20.0, 100.0, 20.0, 100.0, 60.0, 0.0, 60.0]]
    assert tally == {'annotations with a polygon': 2, 'labels left out: the same row twice': 1,
                     'labels left out: no area': 1}


def test_keypoints_are_no_outline(tmp_path):
    """Pose labels of two numbers a point have as many numbers as outlines do."""
    found, tally = read(tmp_path / '1.txt', '0 .5 .5 .5 .5 .1 .2 .3 9\n0 .5 .5 .25 .5\n', 4)
    assert [a['bbox'] for a in found] == [[25.0, 20.0, 50.0, 40.0], [37.5, 20.0, 25.0, 40.0]]
    assert not any('segmentation' in a for a in found)
    assert tally['labels whose keypoints are left out'] == 1
    with pytest.raises(ValueError, match='7 numbers; .* for its keypoints 4 more or none'):
        parse_row('0 .1 .1 .3 .1 .3 .3', {0: 'a'}, 4)


@pytest.mark.parametrize(('text', 'message'), [
    ('\n\n1 0.5 0.5 0.1 0.1', r'1\.txt, line 3: class 1 has no name; there are names for 0, 2'),
    ('-1 0.5 0.5 0.1 0.1', 'class -1 has no name'),
    ('0 0.5 0.5 0.1 1_0', '5 numbers; a row is'),
    ('0 0.5 0.5 0.1 0.1 ' * 2, '10 numbers; a row is'),
    ('0 50 40 20 20', r'line 1: .* not pixels \(--max-bad N'),
    ('0 0.1 0.1 0.9 0.1 0.5 1.2', 'a value outside 0 to 1'),
    ('0 0,5 0,5 0,1 0,1', 'is not a row of numbers'),
    ('0 ' + '1e999 ' * 4, 'a value outside 0 to 1'),
    ('<html>', "line 1: '<html>' is not a row of numbers"),
    ('0 .5 .5 .1 .1\n'.encode('utf-16'), r"1\.txt', line 1: byte 0xff .* text in UTF-16"),
    (b'0 .5 .5 .1 .1\n\0\0\0\0', r"1\.txt', line 2: a zero byte"),
])
def test_bad_rows_name_file_and_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path / '1.txt', text)


def test_some_bad_rows_may_be_left_out(tmp_path):
    text = '0 .5 .5 .5 .5\n0 50 40 20 20\nx\n'
    found, tally = read(tmp_path / '1.txt', text, max_bad=2)
    assert (len(found), tally['labels left out: not in YOLO layout']) == (1, 2)
    assert 'line 2: ' in tally.examples['labels left out: not in YOLO layout'][0]
    with pytest.raises(ValueError, match='line 3: '):
        read(tmp_path / '1.txt', text, max_bad=1)


def test_special_files_are_not_read(tmp_path):
    os.mkfifo(tmp_path / 'pipe.txt')
    (tmp_path / 'zero.txt').symlink_to('/dev/zero')
    (tmp_path / 'gone.txt').symlink_to('nowhere')
    reader = LabelReader(YoloLayout({0: 'a'}, {}), Tally())
    for name, kind in (('pipe', 'a pipe'), ('zero', 'a device'), ('gone', 'does not exist')):
        with pytest.raises(ValueError, match=kind):
            reader.annotations(tmp_path / f'{name}.txt', (10, 10))
    for name in ('pipe.txt', 'zero.txt'):
        with pytest.raises(OSError, match=r"cannot read image .*: it is a"):
            image_size(tmp_path / name)


def test_sizes_of_all_formats(tmp_path):
    """With the turn that EXIF asks for, and only of what training reads."""
    image, exif = Image.new('RGB', (24, 16), 'red'), Image.Exif()
    exif[0x0112] = 6
    for kind in ('JPEG', 'PNG', 'WEBP', 'TIFF'):
        image.save(tmp_path / kind, format=kind, exif=exif)
        assert image_size(tmp_path / kind) == (16, 24), kind
    for kind in ('GIF', 'AVIF', 'JPEG2000', 'PPM', 'BMP', 'MPO'):
        image.save(tmp_path / kind, format=kind)
        assert image_size(tmp_path / kind) == (24, 16), kind
    for kind in ('PCX', 'ICO', 'TGA'):
        image.save(tmp_path / kind, format=kind)
        with pytest.raises(OSError, match='not an image'):
            image_size(tmp_path / kind)


def test_a_large_image_is_no_bomb(tmp_path, monkeypatch):
    Image.new('L', (300, 200)).save(tmp_path / 'a.png')
    Image.new('L', (300, 200)).save(tmp_path / 'a.gif')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10_000)  # an error above twice as many
    for name in ('a.png', 'a.gif'):
        assert image_size(tmp_path / name) == (300, 200)
    monkeypatch.setenv('EXPALIGN_MAX_IMAGE_PIXELS', '59999')
    with pytest.raises(OSError, match=r"a\.png.: it is 300 x 200: 60,000 pixels, more than the li"):
        image_size(tmp_path / 'a.png')


@pytest.mark.parametrize('how', ['link', 'copy'])
@pytest.mark.parametrize('existing', [False, True])
def test_nothing_is_left_behind_after_an_error(tmp_path, how, existing):
    """The second split fails; not even the first one's links or copies stay."""
    source, output = write_yolo_folder(tmp_path / 'yolo'), tmp_path / 'new/out'
    (source / 'labels/val/1.txt').write_text('7 0.5 0.5 0.1 0.1')
    if existing:
        output.mkdir(parents=True)
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(ValueError, match='class 7 has no name'):
        convert_yolo(read_layout(source), output, how)
    assert sorted(tmp_path.rglob('*')) == before


def test_what_is_said_beside_the_counts(tmp_path):
    source, output = write_yolo_folder(tmp_path / 'yolo'), tmp_path / 'out'
    (source / 'data.yaml').write_text(
        'train: images/train\nval: images/train\ntest: images/val\nnames: [a, b]\n')
    for file in (source / 'labels/val').iterdir():
        file.unlink()  # COCO's test split has no labels either
    tallies = convert_yolo(read_layout(source), output)
    assert tallies['val']['images that are in train, too'] == 2
    assert tallies['test']['images without a label file'] == 2
    (source / 'data.yaml').write_text('train: images/train\nval: gone\nnames: [a, b]\n')
    layout = read_layout(source)
    convert_yolo(layout, output)
    assert [note.split(':')[0] for note in sorted(layout.notes)] == ['test', 'val', 'val']
    assert 'is of an earlier conversion' in layout.notes[-1]
    with pytest.raises(FileExistsError, match='is a file: give a folder'):
        convert_yolo(layout, output / 'annotations/train.json')


def test_empty_labels_are_background_and_never_all(tmp_path):
    source = write_yolo_folder(tmp_path / 'yolo')
    (source / 'labels/train/0.txt').write_text(' \n')
    tallies = convert_yolo(read_layout(source), tmp_path / 'out')
    content = json.loads((tmp_path / 'out/annotations/train.json').read_text())
    assert (len(content['images']), len(content['annotations'])) == (2, 1)
    assert tallies['train']['images with an empty label file'] == 1
    (source / 'labels/train/1.txt').write_text('')
    with pytest.raises(ValueError, match='all 2 label files are empty or left out'):
        convert_yolo(read_layout(source), tmp_path / 'again')


def test_file_names_that_are_no_text(tmp_path):
    source = write_yolo_folder(tmp_path / 'yolo')
    name = os.fsdecode(b'caf\xe9.jpg')
    (source / 'images/train/0.jpg').rename(source / 'images/train' / name)
    report = convert_yolo(read_layout(source), tmp_path / 'out', 'copy')['train'].report('')
    assert '1 images left out: their file name is no text in UTF-8' in report
    assert r'caf\udce9.jpg' in report.encode().decode()  # every terminal takes it
    content = json.loads((tmp_path / 'out/annotations/train.json').read_text())
    assert [image['file_name'] for image in content['images']] == ['1.jpg']
    assert os.listdir(tmp_path / 'out/train') == ['1.jpg']
