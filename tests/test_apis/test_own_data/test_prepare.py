"""A user's data as the recipes read it: what is in order, split, with one list of classes."""

import json
from pathlib import Path

import pytest

from expalign.apis.own_data.config_file import config_text, settings_for
from expalign.apis.own_data.prepare import classes_exclude, prepare
from expalign.utils.own_data_recipe import follow_settings
from tests.helpers.annotations import write_image

SQUARE = [[10, 10, 40, 10, 40, 40, 10, 40]]


def write_part(root: Path, name: str, images: int, outlines: bool = False, start: int = 0,
               labels: tuple[int, ...] = (7, 3)) -> tuple[str, str]:
    """An annotation file of images of 100 x 80 with a box each; category ids 7 and 3."""
    folder = root / name
    content = dict(images=[], annotations=[], categories=[
        dict(id=7, name='red cup'), dict(id=3, name='fork ')])
    for i in range(images):
        write_image(folder / f'{start + i}.jpg', seed=start + i)
        content['images'].append(dict(id=i, file_name=f'{start + i}.jpg', width=100, height=80))
        content['annotations'].append(dict(
            id=i, image_id=i, category_id=labels[i % len(labels)], bbox=[10, 10, 30, 30], area=900,
            iscrowd=0, **(dict(segmentation=SQUARE) if outlines else {})))
    path = root / f'{name}.json'
    path.write_text(json.dumps(content))
    return str(path), str(folder)


def read(prepared, split: str) -> dict:
    return json.loads((prepared.folder / 'annotations' / f'{split}.json').read_text())


def test_parts_of_the_data_are_kept(tmp_path):
    splits = dict(train=write_part(tmp_path, 'a', 5, outlines=True),
                  val=write_part(tmp_path, 'b', 2, outlines=True, start=50))
    before = Path(splits['train'][0]).read_bytes()
    prepared = prepare(splits, ('red cup', 'fork'), tmp_path / 'out/data')
    assert prepared.images == dict(train=5, val=2)
    assert prepared.boxes == dict(train=[3, 2], val=[1, 1])
    assert prepared.masks and prepared.exclusive and prepared.problems == 0
    assert prepared.how_split == 'the validation part of the data'
    content = read(prepared, 'val')
    assert content['categories'] == [dict(id=1, name='red cup'), dict(id=2, name='fork')]
    assert [a['category_id'] for a in content['annotations']] == [1, 2]
    for image in content['images']:
        assert (prepared.folder / 'val' / image['file_name']).is_file()
    assert Path(splits['train'][0]).read_bytes() == before


def test_without_a_validation_part_images_are_drawn(tmp_path):
    prepared = prepare(dict(train=write_part(tmp_path, 'a', 10)), ('red cup', 'fork'),
                       tmp_path / 'data')
    assert prepared.images == dict(train=8, val=2) and not prepared.masks
    assert prepared.how_split.startswith('drawn by seed 0 from all 10 so that')
    names = [{image['file_name'] for image in read(prepared, split)['images']}
             for split in ('train', 'val')]
    assert len(names[0] | names[1]) == 10
    assert all(n > 0 for n in prepared.boxes['train'])
    again = prepare(dict(train=write_part(tmp_path, 'a', 10)), ('red cup', 'fork'),
                    tmp_path / 'data')
    assert read(again, 'val') == read(prepared, 'val')


def test_a_test_part_validates_where_there_is_no_other(tmp_path):
    prepared = prepare(dict(train=write_part(tmp_path, 'a', 3),
                            test=write_part(tmp_path, 'b', 2, start=50)),
                       ('red cup', 'fork'), tmp_path / 'data')
    assert prepared.images == dict(train=3, val=2) and 'no validation part' in prepared.how_split


def test_what_the_check_finds_is_left_out_and_said(tmp_path):
    train, val = write_part(tmp_path, 'a', 4), write_part(tmp_path, 'b', 2, start=50)
    content = json.loads(Path(train[0]).read_text())
    content['annotations'][0]['bbox'] = [300, 300, 5, 5]  # outside of the image
    Path(train[0]).write_text(json.dumps(content))
    (Path(train[1]) / '3.jpg').write_bytes((Path(val[1]) / '50.jpg').read_bytes())
    prepared = prepare(dict(train=train, val=val), ('red cup', 'fork'), tmp_path / 'data')
    assert prepared.images == dict(train=3, val=2)  # the image that val has stays there
    assert prepared.boxes['train'] == [1, 1] and prepared.problems == 2
    assert 'boxes outside of their image' in prepared.report
    assert 'images with the same content as another' in prepared.report


def test_nothing_to_learn_from_is_an_error_with_the_reason(tmp_path):
    train = write_part(tmp_path, 'a', 2)
    content = json.loads(Path(train[0]).read_text())
    content['annotations'] = []
    Path(train[0]).write_text(json.dumps(content))
    with pytest.raises(ValueError, match='none of the images to train on has a box'):
        prepare(dict(train=train, val=write_part(tmp_path, 'b', 2, start=50)),
                ('red cup', 'fork'), tmp_path / 'data')


def test_classes_of_one_name_are_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="the class 'Cup' is there twice"):
        prepare(dict(train=('absent.json', 'absent')), ('Cup', 'cup '), tmp_path / 'data')


@pytest.mark.parametrize(('boxes', 'expected'), [
    ([[0, 0, 10, 10, 1], [20, 0, 10, 10, 2]], True),
    ([[0, 0, 10, 10, 1], [0, 0, 10, 9, 2]], False),  # one thing of two classes
    ([[0, 0, 10, 10, 1], [0, 0, 10, 9, 1]], True),
    ([[0, 0, 10, 10, 1], [3, 0, 10, 10, 2]], True)])  # neighbours
def test_classes_exclude_one_another_where_no_place_is_shared(boxes, expected):
    content = dict(categories=[1, 2], annotations=[
        dict(image_id=1, category_id=label, bbox=place) for *place, label in boxes])
    assert classes_exclude(content) is expected
    assert classes_exclude(dict(content, categories=[1])) is False


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp('own')
    return prepare(dict(train=write_part(root, 'a', 9, outlines=True),
                        val=write_part(root, 'b', 2, outlines=True, start=50)),
                   ('red cup', 'fork'), root / 'data')


def test_settings_are_capped_by_the_images(prepared):
    usual = settings_for(prepared)
    assert (usual.epochs, usual.imgsz, usual.batch) == (30, 640, 2)
    asked = settings_for(prepared, 'expalign-s', 'probe', 2, 320, 64)
    assert (asked.epochs, asked.imgsz, asked.batch) == (2, 320, 9)
    with pytest.raises(ValueError, match="no mode 'prob': choose one of tune"):
        settings_for(prepared, mode='prob')
    with pytest.raises(ValueError, match="'yolo' cannot be trained further"):
        settings_for(prepared, 'yolo')
    with pytest.raises(ValueError, match='imgsz = 300: it must be a multiple of 32'):
        settings_for(prepared, imgsz=300)


@pytest.mark.parametrize('mode', ['probe', 'tune', 'replay'])
def test_the_config_is_a_recipe_with_the_settings(prepared, tmp_path, mode):
    from expalign.utils.load_config import load_config
    path = tmp_path / 'config.py'
    path.write_text(config_text(prepared, settings_for(prepared, mode=mode, epochs=4, imgsz=320,
                                                       batch=4, seed=3)))
    cfg = load_config(path)
    assert cfg.randomness.seed == 3
    assert cfg.train_cfg.max_epochs == 4 and cfg.param_scheduler[0].T_max == 4
    (switch,) = [h for h in cfg.custom_hooks if h.type == 'mmdet.PipelineSwitchHook']
    assert switch.switch_epoch == 2 and switch.switch_pipeline == cfg.train_pipeline_stage2
    assert '640' not in str(cfg.train_dataloader) + str(cfg.test_dataloader) + str(switch)
    assert cfg.train_dataloader.batch_size == 4 and cfg.train_dataloader.drop_last  # 9 = 2 x 4 + 1
    assert cfg.val_evaluator.ann_file == str(prepared.folder / 'annotations/val.json')
    assert cfg.val_evaluator.metric == ['bbox', 'segm']  # there are outlines
    assert cfg.model.known_classes == dict(names=['red cup', 'fork'], exclusive=True)
    assert '_scope_' not in str(cfg.to_dict())
    if mode == 'tune':
        assert cfg.model.tuned_prompts.num_prompts == 2
    if mode == 'replay':
        assert cfg.train_dataloader.dataset.weights == [1, 0.375]  # 9 of 24
    other = load_config(path, dict(epochs=20, imgsz=64))
    assert other.train_cfg == dict(cfg.train_cfg, max_epochs=20, val_interval=2)
    assert '320' not in str(other.test_dataloader) and switch.switch_epoch == 2


@pytest.mark.parametrize(('name', 'value', 'said'), [
    ('epochs', 0, 'epochs = 0'), ('batch', 2.5, r'batch = 2\.5'), ('data', '', "data = ''"),
    ('imgsz', 300, 'imgsz = 300: it must be a multiple of 32, such as 288')])
def test_settings_that_cannot_be_are_named(prepared, tmp_path, name, value, said):
    from expalign.utils.load_config import load_config
    path = tmp_path / 'config.py'
    path.write_text(config_text(prepared, settings_for(prepared)))
    cfg = load_config(path)
    cfg[name] = value
    with pytest.raises(ValueError, match=said):
        follow_settings(cfg)
