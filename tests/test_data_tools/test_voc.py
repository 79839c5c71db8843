"""Pascal VOC's XML files, read and converted."""

import json

import pytest
from PIL import Image

from expalign.data_tools.labelled_to_coco import convert_labelled
from expalign.data_tools.voc import read_voc
from tests.helpers.annotations import write_image
from tests.helpers.label_folders import voc_file, voc_object, write_text, write_voc_folder


def convert(root, output, **options):
    """The content of train.json, and the tallies."""
    result = convert_labelled(read_voc(root), output, **options)
    return json.loads((output / 'annotations/train.json').read_text()), result


def one_image(tmp_path, objects, size=(100, 80), name='a.jpg', **image):
    root = tmp_path / 'voc'
    write_image(root / 'a.jpg', **image)
    write_text(root / 'a.xml', voc_file(name, objects, size))
    return root


def boxes(content):
    return [annotation['bbox'] for annotation in content['annotations']]


def test_folders_are_splits(run_script, tmp_path, capsys):
    root = write_voc_folder(tmp_path / 'voc')
    run_script('tools/dataset_converters/voc2coco.py', root, tmp_path / 'out')
    content = json.loads((tmp_path / 'out/annotations/test.json').read_text())
    assert content['categories'] == [{'id': 1, 'name': 'blue plate'}, {'id': 2, 'name': 'red cup'}]
    assert content['images'][1] == {'id': 2, 'file_name': '1.jpg', 'width': 100, 'height': 80}
    assert content['annotations'][1] == {
        'id': 2, 'bbox': [25, 20, 50, 40], 'area': 2000, 'iscrowd': 0, 'image_id': 2,
        'category_id': 1}
    assert (tmp_path / 'out/test/1.jpg').read_bytes() == (root / 'test/1.jpg').read_bytes()
    out = capsys.readouterr().out
    assert '2 annotations written' in out and '2 classes: blue plate, red cup' in out
    run_script('tools/dataset_converters/voc2coco.py', root, tmp_path / 'out')  # again


def test_lists_of_the_challenge(tmp_path):
    root = tmp_path / 'VOC2007'
    for i in range(4):
        write_image(root / f'JPEGImages/{i}.jpg', seed=i)
        write_image(root / f'SegmentationClass/{i}.png', seed=9)  # masks of the same names
        write_text(root / f'Annotations/{i}.xml', voc_file(f'{i}.jpg', voc_object()).replace(
            '<filename>', '<source><database>The VOC2007 Database</database></source><filename>'))
    write_text(root / 'ImageSets/Main/train.txt', '0\n1.jpg\n')
    write_text(root / 'ImageSets/Main/val.txt', '2  1\r\n')
    write_text(root / 'ImageSets/Main/cup_train.txt', '3 1\n')
    for source in (root, tmp_path):
        content, result = convert(source, tmp_path / 'out' / source.name)
        assert [len(content['images']), result.tallies['val']['images written']] == [2, 1]
        assert result.notes == ['1 annotation files are in no list of ImageSets (train, val, test) '
                                'and are left out']
        assert boxes(content)[0] == [24, 19, 51, 41]  # their first pixel is 1
        assert result.folders == dict.fromkeys(('train', 'val'), root / 'JPEGImages')


@pytest.mark.parametrize(('name', 'file'), [
    ('C:\\Users\\me\\photos\\bild 1.JPG', 'bild 1.jpg'), ('/home/x/a/bild 1', 'bild 1.jpg'),
    ('cafe\u0301.png', 'caf\u00e9.png'), ('\u732b.jpeg', '\u732b.jpg'), ('b%20c.jpg', 'b c.jpg'),
])
def test_the_image_is_found_by_other_spellings_of_its_name(tmp_path, name, file):
    write_image(tmp_path / 'voc/images' / file)
    write_text(tmp_path / 'voc/labels/0001.xml', voc_file(name, voc_object()))
    content, _ = convert(tmp_path / 'voc', tmp_path / 'out')
    assert content['images'][0]['file_name'] == file


def test_one_name_in_several_folders(tmp_path):
    root = tmp_path / 'voc'
    for i, folder in enumerate(('cam1', 'cam2')):
        write_image(root / 'images' / folder / 'a.jpg', width=100 + i, seed=i)
        write_text(root / 'labels' / folder / 'a.xml', voc_file('a.jpg', voc_object(), (
            100 + i, 80)).replace('<folder>x', f'<folder>{folder}'))
    content, _ = convert(root, tmp_path / 'out')
    assert [(i['file_name'], i['width']) for i in content['images']] == [
        ('cam1/a.jpg', 100), ('cam2/a.jpg', 101)]
    write_text(root / 'labels/b.xml', voc_file('a.jpg', voc_object()))
    _, result = convert(root, tmp_path / 'again')
    assert result.tallies['train']['images left out: the name fits several files equally well'] == 1


def test_what_is_left_out_is_counted(tmp_path):
    objects = ''.join((
        voc_object(box=(25, 20, 25, 60)), voc_object(box=(200, 20, 300, 60)),
        voc_object(box=(-20, 10, 40, 90)), voc_object(box=(75, 60, 25, 20)), voc_object(),
        voc_object(), voc_object(more='<difficult>1</difficult><truncated>1</truncated>'
                                      '<part><name>lid</name></part>', box=(1, 1, 9, 9))))
    root = one_image(tmp_path, objects)
    write_text(root / 'gone.xml', voc_file('gone.jpg', voc_object()))
    write_image(root / 'extra.jpg')
    content, result = convert(root, tmp_path / 'out')
    assert boxes(content) == [[0, 10, 40, 70], [25, 20, 50, 40], [1, 1, 8, 8]]
    assert content['annotations'][2]['attributes'] == {'difficult': 1, 'truncated': 1}
    assert dict(result.tallies['train']) == {
        'objects marked difficult: kept': 1, 'objects marked truncated: kept': 1,
        'parts of objects left out': 1, 'objects left out: no area': 1,
        'objects left out: outside of the image': 1, 'boxes cut at the border of the image': 1,
        'boxes whose corners were exchanged': 1, 'objects left out: the same one twice': 2,
        'images left out: missing': 1, 'images written': 1, 'annotations written': 3}
    assert dict(result.whole) == {
        'images left out: no annotation that can be used names them': 1}


@pytest.mark.parametrize(('annotated', 'box', 'expected', 'note'), [
    (None, (25, 20, 75, 60), [25, 20, 50, 40], 'sizes that the annotation does not have'),
    ((0, 0), (25, 20, 75, 60), [25, 20, 50, 40], 'sizes that the annotation does not have'),
    ((80, 100), (25, 20, 75, 60), [25, 20, 50, 40], 'sizes that are wrong in the annotation'),
    ((40, 20), (25, 20, 75, 60), [25, 20, 50, 40], 'sizes that are wrong in the annotation'),
    ((200, 160), (50, 40, 150, 120), [25, 20, 50, 40], 'images that were resized'),
    ((50, 40), (10, 10, 20, 20), [20, 20, 20, 20], 'images that were resized'),
])
def test_another_size_than_the_image_has(tmp_path, annotated, box, expected, note):
    content, result = convert(one_image(tmp_path, voc_object(box=box), annotated), tmp_path / 'out')
    assert boxes(content) == [expected]
    assert (content['images'][0]['width'], content['images'][0]['height']) == (100, 80)
    assert [count for key, count in result.tallies['train'].items() if key.startswith(note)] == [1]


def test_a_size_that_cannot_be_meant_leaves_out_the_image(tmp_path):
    root = one_image(tmp_path, voc_object(box=(150, 20, 190, 60)), (200, 300))
    with pytest.raises(ValueError, match=(
            r'(?s)no image that can be used.*1 images left out: of another size than annotated .*'
            r'200 x 300, a.jpg is 100 x 80')):
        convert(root, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_turned_photographs(tmp_path):
    root = one_image(tmp_path, voc_object(), None)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(root / 'a.jpg') as image:
        image.save(root / 'a.jpg', exif=exif)
    for size, expected in (((80, 100), (80, 100)), ((100, 80), (100, 80)), (None, (80, 100))):
        write_text(root / 'a.xml', voc_file('a.jpg', voc_object(), size))
        content, _ = convert(root, tmp_path / str(size))
        # Training turns an image only where its annotation is not of the size as stored.
        assert (content['images'][0]['width'], content['images'][0]['height']) == expected


def test_outlines_and_turned_boxes(tmp_path):
    corners = ''.join(f'<x{i}>{x}</x{i}><y{i}>{y}</y{i}>' for i, (x, y) in enumerate(
        ((10, 10), (50, 10), (10, 40)), 1))
    points = ''.join(f'<pt><x>{x}</x><y>{y}</y></pt>' for x, y in ((0, 0), (20, 0), (20, 10)))
    turned = ''.join(f'<{tag}>{v}</{tag}>' for tag, v in zip(
        ('cx', 'cy', 'w', 'h', 'angle'), (50, 40, 20, 10, 3.141592653589793 / 2), strict=True))
    content, result = convert(one_image(tmp_path, ''.join((
        f'<object><name>a</name><polygon>{corners}</polygon></object>',
        f'<object><name>b</name><polygon>{points}</polygon></object>',
        f'<object><name>c</name><robndbox>{turned}</robndbox></object>'))), tmp_path / 'out')
    first, second, third = content['annotations']
    assert first['segmentation'] == [[10, 10, 50, 10, 10, 40]]
    assert (first['bbox'], first['area']) == ([10, 10, 40, 30], 600)
    assert (second['bbox'], second['area']) == ([0, 0, 20, 10], 100)
    assert third['bbox'] == [45, 30, 10, 20]  # a quarter turn exchanges the sides
    assert result.tallies['train'][
        'rotated boxes: the upright box around them is taken'] == 1


BOMB = ('<!DOCTYPE a [<!ENTITY a "aaaaaaaa">' + ''.join(
    f'<!ENTITY a{i} "{"&a;" * 9}">' for i in range(9)) + ']>')


@pytest.mark.parametrize(('text', 'message'), [
    ('<annotation><object>', r"a\.xml': not XML \(no element found: line 1"),
    (BOMB + voc_file('a.jpg', voc_object('&a8;')), 'declares the entity'),
    ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + voc_file(
        'a.jpg', voc_object('&e;')), 'declares the entity'),
    ('<annotation>' + '<a>' * 60 + '</a>' * 60 + '</annotation>',
     r'51 elements inside one another, more than the limit of 50.*EXPALIGN_MAX_XML_DEPTH'),
    (voc_file('a.jpg', voc_object('')), r"a\.xml: object 1 has no class name \(--max-bad N"),
    (voc_file('a.jpg', voc_object(box=(1, 2, 'x', 4))),
     r"line 1: <xmax> of <bndbox> must be a number, got 'x'"),
    (voc_file('a.jpg', voc_object(box=(1, 2, 'nan', 4))), 'must be a number'),
    (voc_file('a.jpg', voc_object().replace('bndbox', 'box')), r"'red cup' has no <bndbox>"),
    (voc_file('a.jpg', ''), r'no object; images are looked for'),
])
def test_bad_files_are_named(tmp_path, text, message):
    root = one_image(tmp_path, '')
    write_text(root / 'a.xml', text)
    with pytest.raises(ValueError, match=message) as caught:
        convert(root, tmp_path / 'out')
    assert str(root) in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['voc']


def test_bad_ones_can_be_allowed(tmp_path):
    root = one_image(tmp_path, voc_object('') + voc_object())
    write_text(root / 'b.xml', '<annotation>')
    content, result = convert(root, tmp_path / 'out', max_bad=2)
    assert boxes(content) == [[25, 20, 50, 40]]
    assert result.tallies['train']['left out: not in its format'] == 2
    with pytest.raises(ValueError, match=r'--max-bad N'):
        convert(root, tmp_path / 'more', max_bad=1)


def test_namespaces_do_not_count(tmp_path):
    root = one_image(tmp_path, '')
    write_text(root / 'a.xml', voc_file('a.jpg', voc_object()).replace(
        '<annotation>', '<annotation xmlns="http://labels.example/1" verified="yes">'))
    assert boxes(convert(root, tmp_path / 'out')[0]) == [[25, 20, 50, 40]]


def test_encodings_and_line_ends(tmp_path):
    root = one_image(tmp_path, '')
    text = voc_file('a.jpg', voc_object('R\u00f6hre \u732b')).replace('><', '>\r\n<')
    for encoding in ('utf-8-sig', 'utf-16'):
        (root / 'a.xml').write_text(text, encoding=encoding)
        _, result = convert(root, tmp_path / encoding)
        assert result.classes == ('R\u00f6hre \u732b',)
    (root / 'a.xml').write_bytes(b'<?xml version="1.0" encoding="latin1"?>' + voc_file(
        'a.jpg', voc_object('R\u00f6hre')).encode('latin1'))
    assert convert(root, tmp_path / 'latin1')[1].classes == ('R\u00f6hre',)
    chinese = '<?xml version="1.0" encoding="GBK"?>' + voc_file('a.jpg', voc_object('\u6c7d\u8f66'))
    (root / 'a.xml').write_bytes(chinese.encode('gbk'))
    assert convert(root, tmp_path / 'gbk')[1].classes == ('\u6c7d\u8f66',)
    (root / 'a.xml').write_bytes(chinese.encode('gbk') + b'\xff')
    with pytest.raises(ValueError, match=r"a\.xml': not XML \('gbk' codec can't decode"):
        convert(root, tmp_path / 'damaged')


def test_a_validation_split_can_be_made(tmp_path):
    root = write_voc_folder(tmp_path / 'voc', images=8)
    content, result = convert(root, tmp_path / 'out', val_share=0.25)
    assert len(content['images']) == 6 and result.tallies['val']['images written'] == 2
    assert convert(root, tmp_path / 'again', val_share=0.25)[0] == content
    with pytest.raises(ValueError, match=r'--val-share 0\.01: 0 of 8 images'):
        convert(root, tmp_path / 'few', val_share=0.01)
