"""The embedded photographs: complete, readable, attributed, small, and made by the script."""

import json
import os
import runpy
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).parents[2]
MINI = ROOT / 'demo' / 'data' / 'mini'
LICENSES = {4: 'by/2.0/', 5: 'by-sa/2.0/', 7: 'flickr.com/commons/usage/'}
SPLITS = ('train', 'val')


def load(split):
    return json.loads((MINI / 'annotations' / f'instances_{split}2017.json').read_text())


@pytest.mark.parametrize('split', SPLITS)
def test_images_and_annotations_belong_together(split):
    content = load(split)
    assert len(content['images']) == 24
    files = {path.name for path in (MINI / f'{split}2017').iterdir()}
    assert files == {image['file_name'] for image in content['images']}
    image_ids = {image['id'] for image in content['images']}
    category_ids = {category['id'] for category in content['categories']}
    assert {a['image_id'] for a in content['annotations']} == image_ids
    for annotation in content['annotations']:
        assert annotation['category_id'] in category_ids
        assert annotation['segmentation'] and not annotation['iscrowd']
    for image in content['images']:
        pixels = cv2.imread(str(MINI / f'{split}2017' / image['file_name']))
        assert pixels.shape == (image['height'], image['width'], 3)


def test_categories_are_those_that_occur():
    contents = {split: load(split) for split in SPLITS}
    assert contents['train']['categories'] == contents['val']['categories']
    ids = [category['id'] for category in contents['train']['categories']]
    used = {a['category_id'] for c in contents.values() for a in c['annotations']}
    assert ids == sorted(used) and len(ids) == 58


def test_every_photograph_is_attributed_and_may_be_shared():
    rows = {}
    for line in (MINI / 'ATTRIBUTION.md').read_text().splitlines():
        if line.startswith('| `'):
            name, address, license_ = (cell.strip() for cell in line.strip('|').split('|'))
            rows[name.strip('`')] = (address, license_)
    images = {f'{split}2017/{i["file_name"]}': i for split in SPLITS for i in load(split)['images']}
    assert rows.keys() == images.keys() and len(rows) == 48
    for name, image in images.items():
        address, license_ = rows[name]
        assert address == image['flickr_url']
        assert LICENSES[image['license']] in license_


def test_size():
    assert sum(path.stat().st_size for path in MINI.rglob('*') if path.is_file()) <= 8_000_000


def test_the_script_makes_this_folder(tmp_path):
    script = runpy.run_path(str(ROOT / 'tools' / 'misc' / 'make_mini_dataset.py'))
    script['make_mini_dataset'](MINI, tmp_path / 'mini')
    made = {path.relative_to(tmp_path / 'mini') for path in (tmp_path / 'mini').rglob('*')}
    assert made == {path.relative_to(MINI) for path in MINI.rglob('*')}
    for path in made:
        if (MINI / path).is_file():
            assert (tmp_path / 'mini' / path).read_bytes() == (MINI / path).read_bytes()


@pytest.mark.real_data
def test_the_script_chooses_these_from_the_source(tmp_path):
    source = Path(os.environ.get('EXPALIGN_DATA', '')) / 'coco-mini'
    if not source.is_dir():
        pytest.skip('EXPALIGN_DATA does not name a folder with coco-mini')
    script = runpy.run_path(str(ROOT / 'tools' / 'misc' / 'make_mini_dataset.py'))
    script['make_mini_dataset'](source, tmp_path / 'mini')
    expected = (MINI / 'ATTRIBUTION.md').read_text()
    assert (tmp_path / 'mini' / 'ATTRIBUTION.md').read_text() == expected
