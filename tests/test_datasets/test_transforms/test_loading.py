"""Images that cannot be read, through the data set's loader and the inferencer's."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import TRANSFORMS as MMDET_TRANSFORMS
from mmengine.registry import TRANSFORMS, DefaultScope
from PIL import Image

from expalign.datasets import TextCocoDataset
from expalign.datasets.bad_samples import BadImage

ROOT = Path(__file__).parents[3]
PHOTO = ROOT / 'demo' / 'data' / 'mini' / 'train2017' / '000000425988.jpg'


def dataset_loader():
    return TRANSFORMS.build(dict(type='expalign.LoadImageFromFile'))


def inferencer_loader():
    """The loader that mmdet's DetInferencer puts in place of the first transform."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MMDET_TRANSFORMS.build(dict(type='mmdet.InferencerLoader'))


LOADERS = pytest.mark.parametrize('make_loader', [dataset_loader, inferencer_loader])


@pytest.fixture
def bad_file(tmp_path, request):
    path = tmp_path / 'photo.jpg'
    content = PHOTO.read_bytes()
    if request.param == 'folder':
        path.mkdir()
    else:
        path.write_bytes({
            'empty': b'',
            'text': b'This is not an image.\n',
            'truncated': content[:len(content) // 2],
            'without end': content[:-2],
            'header only': content[:200],
        }[request.param])
    return path


@LOADERS
def test_a_photograph(make_loader):
    results = make_loader()(dict(img_path=str(PHOTO)))
    height, width = results['ori_shape']
    assert results['img'].shape == (height, width, 3) and results['img'].dtype == np.uint8


@LOADERS
@pytest.mark.parametrize(('bad_file', 'reason'), [
    ('empty', 'the file is empty'),
    ('text', 'it is damaged, incomplete or not an image'),
    ('truncated', 'it is damaged, incomplete or not an image'),
    ('without end', 'it is damaged, incomplete or not an image'),
    ('header only', 'it is damaged, incomplete or not an image'),
    ('folder', 'it is a folder'),
], indirect=['bad_file'])
def test_unreadable_images(make_loader, bad_file, reason):
    loader = make_loader()
    with pytest.raises(OSError, match=f"cannot read image '{bad_file}': {reason}. Replace"):
        loader(dict(img_path=str(bad_file)))


@LOADERS
def test_missing_image(make_loader, tmp_path):
    loader = make_loader()
    with pytest.raises(FileNotFoundError, match=f"image '{tmp_path}/none.jpg' not found"):
        loader(dict(img_path=str(tmp_path / 'none.jpg')))


@LOADERS
def test_an_address_that_does_not_answer(make_loader):
    with pytest.raises(BadImage, match=(
            r"cannot fetch image 'http://127\.0\.0\.1:9/a\.jpg': .*refused.*Check the address")):
        make_loader()(dict(img_path='http://127.0.0.1:9/a.jpg'))


def test_the_annotation_file_is_named_where_there_is_one(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'')
    for record, told in (({}, r'Replace the file$'), (dict(sample_idx=3), 'from the annotation')):
        with pytest.raises(BadImage, match=told):
            load(tmp_path / 'a.jpg', **record)


def test_other_decoders(tmp_path):
    path = tmp_path / 'photo.jpg'
    path.write_bytes(PHOTO.read_bytes()[:20000])
    loader = TRANSFORMS.build(dict(type='expalign.LoadImageFromFile', imdecode_backend='pillow'))
    with pytest.raises(OSError, match=f"cannot read image '{path}'"):
        loader(dict(img_path=str(path)))


def test_a_data_set_names_the_missing_image(tmp_path):
    dataset = TextCocoDataset(
        ann_file=str(ROOT / 'tests' / 'data' / 'coco_permuted.json'),
        data_prefix=dict(img=str(tmp_path)), test_mode=True,
        pipeline=[dict(type='expalign.LoadImageFromFile')])
    with pytest.raises(FileNotFoundError, match="a.jpg' not found: check .*'data_prefix'"):
        dataset[0]


RED, BLUE = (255, 0, 0), (0, 0, 255)


def left_red_right_blue(mode='RGB'):
    """30 x 20 pixels."""
    image = Image.new('RGB', (30, 20), RED)
    image.paste(BLUE, (15, 0, 30, 20))
    return image.convert(mode)


def load(path, **record):
    return dataset_loader()(dict(img_path=str(path), **record))


@pytest.mark.parametrize(('name', 'mode'), [
    ('palette.png', 'P'), ('palette.gif', 'P'), ('transparent.png', 'RGBA'), ('cmyk.jpg', 'CMYK')])
def test_colors_of_other_modes(name, mode, tmp_path):
    left_red_right_blue(mode).save(tmp_path / name)
    image = load(tmp_path / name, height=20, width=30)['img']
    assert image.shape == (20, 30, 3) and image.dtype == np.uint8
    # Blue, green, red; a JPEG is not exact.
    assert np.abs(image[10, 4].astype(int) - RED[::-1]).max() < 12
    assert np.abs(image[10, 26].astype(int) - BLUE[::-1]).max() < 12


def test_grey_images_have_three_equal_channels(tmp_path):
    Image.new('L', (30, 20), 77).save(tmp_path / 'grey.png')
    Image.new('LA', (30, 20), (77, 200)).save(tmp_path / 'grey_transparent.png')
    Image.new('1', (30, 20), 1).save(tmp_path / 'black_and_white.png')
    for name, value in (('grey', 77), ('grey_transparent', 77), ('black_and_white', 255)):
        image = load(tmp_path / f'{name}.png')['img']
        assert image.shape == (20, 30, 3) and (image == value).all()


def test_16_bits_become_the_upper_8(tmp_path):
    for name, pixels in (('grey', np.full((20, 30), 0x7F80, np.uint16)),
                         ('color', np.full((20, 30, 3), (0x1234, 0x7F80, 0xFFFF), np.uint16))):
        assert cv2.imwrite(str(tmp_path / f'{name}.png'), pixels)
        image = load(tmp_path / f'{name}.png')['img']
        expected = (pixels >> 8).astype(int)
        assert image.dtype == np.uint8 and image.shape == (20, 30, 3)
        assert np.abs(image - (expected if expected.ndim == 3 else expected[..., None])).max() <= 1


def with_orientation(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    left_red_right_blue().save(path, exif=exif, quality=95)


def is_red(pixel):
    return pixel[2] > 200 and pixel[0] < 60


def test_exif_orientation(tmp_path):
    """Turned as viewers turn it, unless the annotation has the stored size."""
    path = tmp_path / 'photo.jpg'
    with_orientation(path, 6)  # a quarter turn clockwise: the left side comes to the top
    for record in ({}, dict(height=30, width=20)):
        results = load(path, **record)
        assert results['img_shape'] == results['ori_shape'] == (30, 20)
        assert is_red(results['img'][4, 10]) and not is_red(results['img'][26, 10])
    results = load(path, height=20, width=30)
    assert results['img_shape'] == results['ori_shape'] == (20, 30)
    assert is_red(results['img'][10, 4]) and not is_red(results['img'][10, 26])
    with_orientation(path, 3)  # half a turn, which sizes do not tell
    results = load(path, height=20, width=30)
    assert is_red(results['img'][10, 26]) and not is_red(results['img'][10, 4])


def test_another_size_than_annotated(tmp_path):
    left_red_right_blue().save(tmp_path / 'photo.png')
    for size in (dict(height=20, width=31), dict(height=30, width=20), dict(height=40, width=60)):
        with pytest.raises(OSError, match=(
                f"photo.png' is 30 x 20 pixels, its annotation says {size['width']} x "
                f"{size['height']}: boxes would not fit")):
            load(tmp_path / 'photo.png', **size, sample_idx=5)
    with pytest.raises(BadImage) as info:
        load(tmp_path / 'photo.png', height=1, width=1, sample_idx=5)
    assert info.value.sample_idx == 5
