"""Tables of boxes, read and converted."""

import json

import pytest

from expalign.data_tools.csv_boxes import read_csv
from expalign.data_tools.labelled_to_coco import convert_labelled
from tests.helpers.annotations import write_image
from tests.helpers.label_folders import write_text


def convert(source, output, read=None, **options):
    result = convert_labelled(read_csv(source, **read or {}), output, **options)
    return json.loads((output / 'annotations/train.json').read_text()), result


def folder(tmp_path, text, name='boxes.csv', **encoding):
    root = tmp_path / 'data'
    for i, image in enumerate(('a.jpg', 'b.jpg')):
        write_image(root / 'images' / image, seed=i)
    write_text(root / name, text)
    if encoding:
        (root / name).write_text(text, **encoding)
    return root


TABLES = {
    'TensorFlow': 'filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,80,cup,25,20,75,60\n',
    'sides': 'image,label,x,y,w,h\na.jpg,cup,25,20,50,40\n',
    'long names': 'Image Path;Category Name;bbox_x;bbox_y;bbox_width;bbox_height\n'
                  'C:\\x\\a.jpg;cup;25,0;20,0;50,0;40,0\n',
    'shares': 'image_id,class_name,x_center,y_center,width,height\na,cup,0.5,0.5,0.5,0.5\n',
    'shares of corners': 'img\tlabel\tx1\ty1\tx2\ty2\na.jpg\tcup\t0.25\t0.25\t0.75\t0.75\n',
    'from 0': 'file,label,x0,y0,x1,y1\na.jpg,cup,25,20,75,60\n',
    'one column': 'image_id,width,height,bbox,label\na,100,80,"[25.0, 20.0, 50, 40]",cup\n',
    'sides beside the size': 'image_name,x,y,w,h,image_width,image_height,label\n'
                             'a.jpg,25,20,50,40,100,80,cup\n',
    'no header, corners': 'images/a.jpg,55,20,75,60,cup\nimages/a.jpg,25,20,75,60,cup\n',
    'no header, sides': 'cup,60,20,30,40,a.jpg,100,80\ncup,25,20,50,40,a.jpg,100,80\n',
}


@pytest.mark.parametrize('kind', TABLES)
def test_tables(tmp_path, kind):
    content, result = convert(folder(tmp_path, TABLES[kind]), tmp_path / 'out')
    assert content['annotations'][-1]['bbox'] == [25, 20, 50, 40]
    assert (result.classes, len(content['images'])) == (('cup',), 1)


def test_the_script(run_script, tmp_path, capsys):
    root = folder(tmp_path, 'a.jpg,25,20,75,60\r\nb.jpg,,,,\r\n', encoding='utf-8-sig')
    run_script('tools/dataset_converters/csv2coco.py', root / 'boxes.csv', tmp_path / 'out',
               '--columns', 'filename,xmin,ymin,xmax,ymax', '--name', 'cup')
    content = json.loads((tmp_path / 'out/annotations/train.json').read_text())
    assert [a['bbox'] for a in content['annotations']] == [[25, 20, 50, 40]]
    assert len(content['images']) == 2  # a row without a box is an image without an object
    out = capsys.readouterr().out
    assert "'boxes.csv': boxes are x1, y1, x2, y2" in out and '1 images without an object' in out


def test_open_images(tmp_path):
    root = folder(tmp_path, (
        'ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,'
        'IsDepiction,IsInside\n'
        'a,x,/m/01,1,0.25,0.75,0.25,0.75,0,0,0,0,0\na,x,/m/02,1,0.1,0.2,0.1,0.2,0,0,1,0,0\n'))
    with pytest.raises(ValueError, match=r"put OpenImages' class-descriptions-boxable\.csv beside"):
        read_csv(root)
    write_text(root / 'class-descriptions-boxable.csv', '/m/01,Coffee cup\n/m/02,Plate\n')
    content, result = convert(root, tmp_path / 'out')
    assert result.classes == ('Coffee cup', 'Plate')
    assert [(a['bbox'], a['iscrowd']) for a in content['annotations']] == [
        ([25, 20, 50, 40], 0), ([10, 8, 10, 8], 1)]
    assert 'as shares of the sides; columns that are not used: Source, Confid' in result.notes[0]


def test_splits(tmp_path):
    header = 'filename,class,xmin,ymin,xmax,ymax'
    root = folder(tmp_path, f'{header}\na.jpg,cup,25,20,75,60\n', 'train_labels.csv')
    write_text(root / 'test_labels.csv', f'{header}\nb.jpg,plate,25,20,75,60\n')
    write_text(root / 'sample_submission.csv', 'image_id,PredictionString\na,1\n')
    _, result = convert(root, tmp_path / 'out')
    assert {s: t['annotations written'] for s, t in result.tallies.items()} == {
        'train': 1, 'test': 1}
    write_text(root / 'all_labels.csv', f'{header}\nb.jpg,plate,25,20,75,60\n')
    with pytest.raises(ValueError, match=r"all_labels\.csv' is for no part by its name, beside "):
        read_csv(root)
    (root / 'all_labels.csv').unlink()
    for name in ('train', 'test'):
        (root / f'{name}_labels.csv').unlink()
    write_text(root / 'all.csv', f'{header},split\na.jpg,cup,25,20,75,60,train\n'
                                 'b.jpg,cup,25,20,75,60,valid\n')
    assert [*convert(root, tmp_path / 'column')[1].tallies] == ['train', 'val']


def test_a_table_for_each_class(tmp_path):
    header = 'filename,class,xmin,ymin,xmax,ymax'
    root = folder(tmp_path, f'{header}\na.jpg,cup,25,20,75,60\n', 'cup.csv')
    write_text(root / 'plate.csv', f'{header}\na.jpg,plate,1,2,30,40\n')
    content, _ = convert(root, tmp_path / 'out')
    assert [(a['image_id'], a['category_id']) for a in content['annotations']] == [(1, 1), (1, 2)]


def test_sides_that_can_only_be_meant_from_the_centre(tmp_path):
    root = folder(tmp_path, 'image,label,x,y,w,h\na.jpg,cup,0.5,0.5,0.5,0.5\n'
                            'a.jpg,cup,0.8,0.8,0.4,0.4\n')
    content, result = convert(root, tmp_path / 'out')
    assert content['annotations'][0]['bbox'] == [25, 20, 50, 40]
    assert result.notes == ["'boxes.csv': boxes are centre x, centre y, width, height, as shares "
                            'of the sides']


@pytest.mark.parametrize(('text', 'message'), [
    ('filename,class,xmin,ymin,xmax,ymax\na.jpg,cup,1,2,x,4\n',
     r"line 2: the box must be four numbers \(x1, y1, x2, y2\), got '1, 2, x, 4'"),
    ('filename,class,xmin,ymin,xmax,ymax\na.jpg,cup,1,2,,4\n', 'line 2: the box must be four num'),
    ('filename,class,xmin,ymin,xmax,ymax\n,cup,1,2,3,4\n', 'line 2: no name of an image'),
    ('filename,class,xmin,ymin,xmax,ymax\na.jpg,,1,2,9,9\n', 'object 1 has no class name'),
    ('filename,class,xmin,ymin,xmax,ymax\na.jpg,cup,1,2,3,4,5\n', r'line 2: 7 values for the 6'),
    ('filename,xmin,ymin,xmax,ymax\na.jpg,1,2,9,9\n', r'no column with the class.*--name NAME'),
    ('a.jpg,5,6,8,9,cup\n', r'not clear whether .* or x, y, width, height\. Write a first line'),
    ('x.jpg,5,6,8,9,cup\n', r'no column has names of images that are there'),
    ('a.jpg,5,6,8,9,cup,red\n', r'there are 2 columns of text beside the image'),
    ('filename,class,xmin,ymin,xmax,ymax\n', r'has no row of data'),
    ('name,age\nx,1\n', r'has no csv file whose columns are an image and a box'),
])
def test_bad_tables_are_named(tmp_path, text, message):
    root = folder(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        convert(root, tmp_path / 'out')
    assert str(root) in str(caught.value)
    assert not (tmp_path / 'out').exists()


def test_other_encodings_are_refused(tmp_path):
    text = 'filename,class,xmin,ymin,xmax,ymax\na.jpg,R\u00f6hre,1,2,30,40\n'
    root = folder(tmp_path, text, encoding='latin1')
    with pytest.raises(ValueError, match=r"boxes\.csv', line 2: byte 0xf6 is not UTF-8"):
        read_csv(root)
    assert convert(folder(tmp_path, text), tmp_path / 'out')[1].classes == ('R\u00f6hre',)
