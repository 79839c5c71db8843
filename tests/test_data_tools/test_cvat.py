"""CVAT's XML file for images, read and converted."""

import json
import math

import pycocotools.mask as coco_mask
import pytest

from expalign.data_tools.cvat import read_cvat
from expalign.data_tools.labelled_to_coco import convert_labelled
from tests.helpers.annotations import write_image
from tests.helpers.label_folders import CVAT_BOX, cvat_file, cvat_image, write_text


def convert(source, output, **options):
    result = convert_labelled(read_cvat(source), output, **options)
    return json.loads((output / 'annotations/train.json').read_text()), result


def one_image(tmp_path, shapes):
    write_image(tmp_path / 'cvat/images/a.jpg')
    write_text(tmp_path / 'cvat/annotations.xml', cvat_file(cvat_image('a.jpg', shapes)))
    return tmp_path / 'cvat'


def test_shapes(run_script, tmp_path):
    # 4 x 3 pixels at (10, 20), by rows: one background, two foreground, then all of the rest.
    root = one_image(tmp_path, (
        '<box label="red cup" xtl="25.0" ytl="20.0" xbr="75.0" ybr="60.0" occluded="1">'
        '<attribute name="wet">true</attribute></box>'
        '<polygon label="blue plate" points="10,10;50,10;10,40"/>'
        '<ellipse label="red cup" cx="50" cy="40" rx="20" ry="10"/>'
        '<mask label="red cup" rle="1,2,1,8" left="10" top="20" width="4" height="3"/>'
        '<box label="red cup" xtl="40" ytl="35" xbr="60" ybr="45" rotation="90.0"/>'))
    run_script('tools/dataset_converters/cvat2coco.py', root, tmp_path / 'out')
    content = json.loads((tmp_path / 'out/annotations/train.json').read_text())
    box, polygon, ellipse, mask, turned = content['annotations']
    assert [c['name'] for c in content['categories']] == ['red cup', 'blue plate']  # its order
    assert (box['bbox'], box['attributes']) == ([25, 20, 50, 40], {'occluded': '1', 'wet': 'true'})
    assert (polygon['segmentation'], polygon['area']) == ([[10, 10, 50, 10, 10, 40]], 600)
    assert ellipse['bbox'] == [30, 30, 40, 20]
    assert ellipse['area'] == pytest.approx(200 * 18 * math.sin(math.pi / 18), abs=0.05)
    pixels = coco_mask.decode(mask['segmentation'])[20:23, 10:14]
    assert pixels.tolist() == [[0, 1, 1, 0], [1] * 4, [1] * 4]
    assert (mask['area'], mask['bbox']) == (10, [10, 20, 4, 3])
    assert (turned['bbox'], turned['attributes']) == ([45, 30, 10, 20], {'rotation': 90})


def test_what_is_left_out_is_counted(tmp_path):
    root = one_image(tmp_path, CVAT_BOX + (
        '<polyline label="a" points="1,1;5,5"/><points label="a" points="1,1"/><tag label="a"/>'
        '<cuboid label="a"/><skeleton label="a"><points label="b"/></skeleton><star label="a"/>'
        '<box label="red cup" outside="1" xtl="1" ytl="1" xbr="5" ybr="5"/>'))
    content, result = convert(root, tmp_path / 'out')
    assert len(content['annotations']) == 1
    tally = result.tallies['train']
    for reason in (*(f'<{tag}> is no box and no outline' for tag in (
            'polyline', 'points', 'tag', 'cuboid', 'skeleton')),
            'of the unknown kind <star>', "marked 'outside'"):
        assert tally[f'shapes left out: {reason}'] == 1, reason


def test_subsets_of_a_project_are_splits(tmp_path):
    root = tmp_path / 'cvat'
    images = ''
    for i, subset in enumerate(('Train', 'Validation', 'Test')):
        write_image(root / 'images' / subset / 'a.jpg', width=100, seed=i)
        images += cvat_image('a.jpg', more=f'subset="{subset}" task_id="{i}"')
    write_text(root / 'annotations.xml', cvat_file(images))
    _, result = convert(root, tmp_path / 'out')
    assert result.folders == {'train': root / 'images/Train', 'val': root / 'images/Validation',
                              'test': root / 'images/Test'}


@pytest.mark.parametrize(('shapes', 'message'), [
    ('<box label="" xtl="1" ytl="1" xbr="5" ybr="5"/>', 'object 1 has no class name'),
    ('<box label="a" xtl="1" ytl="1" ybr="5"/>', r'shape 1 \(<box>\): xbr must be numbers'),
    ('<polygon label="a" points="1,1;2"/>', "'points' must be x,y;x,y;..., got '2'"),
    ('<mask label="a" rle="1,2" left="0" top="0" width="9" height="9"/>', 'do not fill'),
    ('<mask label="a" rle="1,-2" left="0" top="0" width="9" height="9"/>', '0 or more'),
    ('<mask label="a" rle="81" left="95" top="0" width="9" height="9"/>', 'inside of the image'),
])
def test_bad_shapes_are_named(tmp_path, shapes, message):
    with pytest.raises(ValueError, match=message) as caught:
        convert(one_image(tmp_path, shapes), tmp_path / 'out')
    assert 'annotations.xml, line 3' in str(caught.value)


def test_videos_and_other_files_are_refused(tmp_path):
    root = one_image(tmp_path, '')
    write_text(root / 'annotations.xml', cvat_file('<track id="0" label="a"><box/></track>'))
    with pytest.raises(ValueError, match=(
            r'annotations\.xml.*line 3: it is for videos \(<track>\)\. Export it as "CVAT for im')):
        read_cvat(root)
    write_text(root / 'annotations.xml', '<annotations><image')
    with pytest.raises(ValueError, match=r"annotations\.xml': not XML"):
        read_cvat(root)
    write_text(root / 'annotations.xml', '<other/>')
    with pytest.raises(ValueError, match='has no XML file whose root is <annotations>'):
        read_cvat(root)
