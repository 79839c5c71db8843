"""Images that cannot be read, through the data set's loader and the inferencer's."""

from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS as MMDET_TRANSFORMS
from mmengine.registry import TRANSFORMS, DefaultScope

from expalign.datasets import TextCocoDataset

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


def test_other_decoders(tmp_path):
    path = tmp_path / 'photo.jpg'
    path.write_bytes(PHOTO.read_bytes()[:20000])
    loader = TRANSFORMS.build(dict(type='expalign.LoadImageFromFile', imdecode_backend='pillow'))
    with pytest.raises(OSError, match=f"cannot read image '{path}'"):
        loader(dict(img_path=str(path)))


def test_a_data_set_names_the_missing_image(tmp_path):
    dataset = TextCocoDataset(
        ann_file=str(ROOT / 'tests' / 'data' / 'coco_permuted.json'),
        data_prefix=dict(img=str(tmp_path)),
        pipeline=[dict(type='expalign.LoadImageFromFile')])
    with pytest.raises(FileNotFoundError, match="a.jpg' not found: check .*'data_prefix'"):
        dataset[0]
