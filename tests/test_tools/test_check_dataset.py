"""tools/check_dataset.py: every kind of problem is found, counted, and gone from a cleaned file."""

import json
import shutil

import pytest
from PIL import Image

from tests.helpers.annotations import write_image, write_json
from tests.helpers.checked_data import (
    BOX,
    check,
    clean_folder,
    coco_dataset,
    write_config,
)


def test_a_clean_folder(run_script, tmp_path, capsys):
    clean_folder(tmp_path)
    config = write_config(tmp_path / 'c.py', coco_dataset(tmp_path))
    status, out = check(run_script, capsys, config)
    assert status == 0
    for line in ('2 image files', '2 instances\n', '1 instances with a mask',
                 '1 instances without a mask', '2 prompts', 'no problems'):
        assert line in out


# What is changed in the clean folder, and the line of the report. Names of the functions are
# those of the faults.
def _annotation(**changes):
    def change(root, content):
        content['annotations'].append(
            {'id': 9, 'image_id': 0, 'category_id': 10, 'bbox': BOX, 'iscrowd': 0, **changes})
    return change


def _image_file(name, data):
    def change(root, content):
        (root / 'images' / name).write_bytes(data((root / 'images' / name).read_bytes()))
    return change


def _extra_image(**changes):
    def change(root, content):
        entry = {'id': 5, 'file_name': 'extra.jpg', 'width': 100, 'height': 80, **changes}
        target = root / 'images' / entry['file_name']
        if not target.exists():
            write_image(target, seed=9)
        content['images'].append(entry)
    return change


def _copy_of_image(root, content):
    shutil.copy(root / 'images/0.jpg', root / 'images/copy.jpg')
    content['images'].append({'id': 5, 'file_name': 'copy.jpg', 'width': 100, 'height': 80})


def _missing(root, content):
    (root / 'images/0.jpg').unlink()


def _unlisted_category(root, content):
    del content['categories'][1]


FAULTS = [
    (_annotation(bbox=[95, 10, 20, 20]), '1 boxes partly outside of their image (such as 0.jpg)'),
    (_annotation(bbox=[100, 10, 20, 20]), '1 boxes outside of their image'),
    (_annotation(bbox=[10, 10, 0, 20]), '1 boxes thinner than a pixel (such as image '),
    (_annotation(bbox=[10, 10, -5, 20]), '1 boxes of a negative width or height'),
    (_annotation(bbox=[10, 10, 0.5, 20]), '1 boxes thinner than a pixel'),
    (_annotation(bbox=[10, 10, float('nan'), 20]), '1 boxes that are not four finite numbers'),
    (_annotation(bbox=None), '1 boxes that are not four finite numbers'),
    (_annotation(segmentation=[[10, 10, 33, 10, 30, 30]]),
     '1 masks reaching over their box by more than 2 pixels'),
    (_annotation(segmentation={'size': [9, 9], 'counts': [40, 41]}),
     '1 masks that cannot be read (training leaves out the image) (such as 0.jpg: a run-length'),
    (_annotation(segmentation=[[1, 2]]), '1 masks without an area'),
    (_annotation(segmentation={'size': [80, 100], 'counts': [8000]}), '1 masks without an area'),
    (_annotation(image_id=77),
     '1 annotations whose image is not listed (training stops at it) (such as annotation 9'),
    (_unlisted_category, '1 instances whose class or phrase the file does not name'),
    (_missing, '1 images missing (such as '),
    (_image_file('0.jpg', lambda data: b''), '1 images damaged, incomplete or no image'),
    (_image_file('0.jpg', lambda data: data[:-600]), '1 images damaged, incomplete or no image'),
    (_image_file('0.jpg', lambda data: b'text'), '1 images damaged, incomplete or no image'),
    (_copy_of_image, '1 images with the same content as another (such as '),
    (_extra_image(file_name='1.jpg'), '1 images listed more than once (such as 1.jpg)'),
    (_extra_image(width=50), '1 images of another size than annotated'),
    (_extra_image(height=None), "1 image entries without 'height' and 'width'"),
    (_extra_image(id=1), '1 image ids that occur twice (training stops at it) (such as image 1)'),
    (_extra_image(file_name='COCO_val2014_000000000042.jpg'), '1 images of COCO val, by file name'),
    (_extra_image(coco_url='http://images.cocodataset.org/val2017/000000000139.jpg'),
     '1 images of COCO val, by file name or URL (such as extra.jpg)'),
]


@pytest.mark.parametrize(('change', 'line'), FAULTS, ids=[line for _, line in FAULTS])
def test_each_fault_is_found_and_repaired(run_script, tmp_path, capsys, change, line):
    content = clean_folder(tmp_path)
    change(tmp_path, content)
    write_json(tmp_path / 'coco.json', content)
    config = write_config(tmp_path / 'c.py', coco_dataset(tmp_path))
    status, out = check(run_script, capsys, config, '--fix-to', tmp_path / 'fixed.json')
    assert status == 1
    problems = out.split('PROBLEMS:')[1]
    assert line in problems
    assert len(problems.split('cleaned:')[0].strip().splitlines()) == 1  # nothing else
    status, out = check(run_script, capsys, config, '--cfg-options',
                        'train_dataloader.dataset.ann_file=fixed.json')
    assert (status, 'no problems' in out) == (0, True)


def test_a_cleaned_file_keeps_the_rest(run_script, tmp_path, capsys):
    content = clean_folder(tmp_path)
    content['info'] = {'year': 2020}
    content['annotations'] += [
        {'id': 7, 'image_id': 0, 'category_id': 10, 'bbox': [-20, 10, 30, 20], 'area': 600},
        {'id': 8, 'image_id': 0, 'category_id': 10, 'bbox': BOX, 'attributes': 'kept',
         'segmentation': [[0, 0, 9, 0, 9, 9]]}]
    write_json(tmp_path / 'coco.json', content)
    config = write_config(tmp_path / 'c.py', coco_dataset(tmp_path))
    _, out = check(run_script, capsys, config, '--fix-to', tmp_path / 'fixed.json')
    assert 'fixed.json: 2 images, 4 annotations' in out
    fixed = json.loads((tmp_path / 'fixed.json').read_text())
    assert fixed['info'] == content['info'] and fixed['categories'] == content['categories']
    assert fixed['images'] == content['images']
    by_id = {a['id']: a for a in fixed['annotations']}
    assert by_id[1] == content['annotations'][0]
    assert by_id[7]['bbox'] == [0, 10, 10, 20] and by_id[7]['area'] == 200
    assert 'segmentation' not in by_id[8] and by_id[8]['attributes'] == 'kept'


def test_prompts(run_script, tmp_path, capsys):
    content = clean_folder(tmp_path)
    content['categories'].append({'id': 30, 'name': 'owl'})
    write_json(tmp_path / 'coco.json', content)
    dataset = coco_dataset(tmp_path, metainfo=dict(classes=('cat', 'owl', 'fox')))
    status, out = check(run_script, capsys, write_config(tmp_path / 'c.py', dataset))
    assert status == 1
    assert "1 classes with instances and without a prompt (such as 'dog' (1 instances))" in out
    assert ('1 prompts that the annotation file has no category for (training stops at it) (such '
            'as fox)') in out
    notes = out.split('PROBLEMS:')[0]
    assert '1 prompts without an instance (such as owl)' in notes


def test_an_image_turned_by_exif_is_no_problem(run_script, tmp_path, capsys):
    content = clean_folder(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(tmp_path / 'images/0.jpg') as image:
        image.save(tmp_path / 'images/0.jpg', exif=exif)
    content['images'][0].update(width=80, height=100)
    write_json(tmp_path / 'coco.json', content)
    config = write_config(tmp_path / 'c.py', coco_dataset(tmp_path))
    assert check(run_script, capsys, config)[0] == 0


def test_a_file_without_images_is_a_problem(run_script, tmp_path, capsys):
    content = clean_folder(tmp_path)
    write_json(tmp_path / 'coco.json', content | dict(images=[], annotations=[]))
    config = write_config(tmp_path / 'c.py', coco_dataset(tmp_path))
    status, out = check(run_script, capsys, config)
    assert status == 1
    assert '1 no image can be used (training stops at it)' in out


def test_coco_val_is_meant_in_val_and_can_be_told_by_id(run_script, tmp_path, capsys):
    content = clean_folder(tmp_path)
    _extra_image(file_name='COCO_val2014_000000000042.jpg')(tmp_path, content)
    write_json(tmp_path / 'coco.json', content)
    config = write_config(tmp_path / 'val.py', coco_dataset(tmp_path), 'val')
    status, out = check(run_script, capsys, config, '--split', 'val')
    assert status == 0 and '1 images of COCO val' in out.split('notes:')[1]
    config = write_config(tmp_path / 'train.py', coco_dataset(tmp_path))
    ids = write_json(tmp_path / 'val2017.json', {'images': [{'id': 139}]})
    assert check(run_script, capsys, config, '--coco-val', ids)[0] == 0
    write_json(tmp_path / 'val2017.json', {'images': [{'id': 42}]})
    assert check(run_script, capsys, config, '--coco-val', ids)[0] == 1


@pytest.mark.parametrize(('dataset', 'message'), [
    (dict(type='mmdet.CityscapesDataset', ann_file='a.json'),
     r"cannot check a data set of type 'mmdet\.CityscapesDataset': use one of expalign\.RefsData"),
    (dict(type='expalign.TextCocoDataset', ann_file='none.json'),
     r"annotation file 'none\.json' not found"),
])
def test_what_cannot_be_checked(run_script, tmp_path, capsys, dataset, message):
    config = write_config(tmp_path / 'c.py', dataset)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        check(run_script, capsys, config)
    with pytest.raises(ValueError, match='the config has no test_dataloader'):
        check(run_script, capsys, config, '--split', 'test')


@pytest.mark.real_data
@pytest.mark.parametrize(('split', 'masks', 'instances'), [
    ('train', 1430, 2359), ('val', 1408, 1408)])
def test_coco_mini(run_script, real_data, capsys, split, masks, instances):
    status, out = check(
        run_script, capsys, 'configs/_base_/datasets/coco_segmentation.py', '--split', split,
        '--cfg-options', f'{split}_dataloader.dataset.data_root={real_data}/coco-mini/')
    assert status == 0
    for line in (f'{masks:,} instances with a mask', f'{instances:,} instances\n', '80 prompts',
                 'no problems'):
        assert line in out
    assert ('2 images without an instance' in out) == (split == 'train')
