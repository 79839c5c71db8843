"""ODinW's sets on disk: prompts and labels of samples, sets that are missing, the real ones."""

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, METRICS, DefaultScope

from expalign.datasets import ODinWDataset
from expalign.datasets.odinw import allow_missing_sets
from expalign.datasets.odinw_sets import ODINW_TABLES
from expalign.registry import MODELS
from tests.helpers.annotations import coco_content, write_image, write_json
from tests.helpers.models import tiny_detector_config

PIPELINE = []


def write_sets(root, names, table='odinw13'):
    """A file with two images and the categories in reverse order for each of the sets."""
    for row in ODINW_TABLES[table]:
        if row.name not in names:
            continue
        images = [dict(id=i, file_name=f'{i}.jpg') for i in range(2)]
        annotations = [dict(image_id=0, category_id=10, bbox=[1, 2, 30, 40], area=1200)]
        write_json(root / row.root / row.ann_file,
                   coco_content(images, annotations, list(row.classes[::-1])))
        (root / row.root / row.images).mkdir(parents=True, exist_ok=True)


def test_samples_have_their_sets_prompts_labels_and_name(tmp_path):
    write_sets(tmp_path, ['Aquarium', 'Raccoon'])
    dataset = ODinWDataset(str(tmp_path), PIPELINE, sets=['Aquarium', 'Raccoon'])
    assert len(dataset) == 4
    aquarium, raccoon = dataset[0], dataset[2]
    assert aquarium['source'] == 'Aquarium'
    assert aquarium['text'][2] == 'penguin, which is black and white'
    # The file's first category is the table's last class.
    assert [item['bbox_label'] for item in aquarium['instances']] == [6]
    assert (raccoon['source'], raccoon['text']) == ('Raccoon', ['raccoon'])
    assert raccoon['img_path'] == str(tmp_path / 'Raccoon/Raccoon.v2-raw.coco/valid/0.jpg')


def test_prompts_can_be_the_names_alone(tmp_path):
    write_sets(tmp_path, ['pothole'])
    for overrides, text in ((True, 'there are some holes on the road'), (False, 'pothole')):
        dataset = ODinWDataset(
            str(tmp_path), PIPELINE, sets=['pothole'], prompt_overrides=overrides)
        assert dataset[0]['text'] == [text]


def test_names_that_differ_by_white_space_and_blank_ones(tmp_path):
    names = ['boggleBoards', 'ChessPieces']
    write_sets(tmp_path, names, table='odinw35')
    boggle, chess = (ODinWDataset(str(tmp_path), PIPELINE, table='odinw35', sets=[name])
                     for name in names)
    assert [item['bbox_label'] for item in boggle[0]['instances']] == [35]
    assert chess[0]['text'][0] == 'bishop'
    assert [item['bbox_label'] for item in chess[0]['instances']] == [12]


def test_a_missing_set_is_an_error_that_names_all_of_them(tmp_path):
    write_sets(tmp_path, ['Raccoon'])
    with pytest.raises(FileNotFoundError) as info:
        ODinWDataset(str(tmp_path), PIPELINE, sets=['Raccoon', 'pistols', 'pothole'])
    message = str(info.value)
    assert message.startswith('2 of 3 sets of ODinW (odinw13) are not on disk:')
    assert f'pistols: {tmp_path}/pistols/export/val_annotations_without_background.json' in message
    assert 'tools/test.py --allow-missing' in message


def test_missing_sets_can_be_allowed_and_are_passed_on(tmp_path):
    write_sets(tmp_path, ['Raccoon', 'Packages'])
    dataset = ODinWDataset(str(tmp_path), PIPELINE, allow_missing=True)
    meta = dataset.metainfo
    assert len(dataset) == 4
    assert [item['row'].name for item in meta['sets']] == ['Packages', 'Raccoon']
    assert [item['images'] for item in meta['sets']] == [2, 2]
    assert len(meta['missing']) == 11


def test_the_flag_of_a_tool_reaches_the_data_set():
    cfg = Config(dict(test_dataloader=dict(dataset=dict(type='expalign.ODinWDataset'))))
    allow_missing_sets(cfg)
    assert cfg.test_dataloader.dataset.allow_missing
    cfg.test_dataloader.dataset.type = 'expalign.CocoDataset'
    with pytest.raises(ValueError, match="this config tests 'expalign.CocoDataset'"):
        allow_missing_sets(cfg)


def test_an_empty_root_is_an_error_even_so(tmp_path):
    with pytest.raises(FileNotFoundError, match='13 of 13 sets .*\n') as info:
        ODinWDataset(str(tmp_path), PIPELINE, allow_missing=True)
    assert 'allow_missing' not in str(info.value)


def test_images_without_their_folder_are_missing(tmp_path):
    write_sets(tmp_path, ['Raccoon'])
    (tmp_path / 'Raccoon/Raccoon.v2-raw.coco/valid').rename(tmp_path / 'elsewhere')
    with pytest.raises(FileNotFoundError, match='1 of 1 sets'):
        ODinWDataset(str(tmp_path), PIPELINE, sets=['Raccoon'])


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(table='odinw14'), "no table 'odinw14' of ODinW"),
    (dict(sets=['Racoon']), r"the table 'odinw13' of ODinW has no set \['Racoon'\]")])
def test_unknown_names(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        ODinWDataset(str(tmp_path), PIPELINE, **settings)


def test_the_configs_data_and_metric_fit_together(tmp_path):
    write_sets(tmp_path, ['Raccoon', 'Packages'], table='local')
    for folder in ('Raccoon/images', 'Packages/valid'):
        for index in range(2):
            write_image(tmp_path / folder / f'{index}.jpg', seed=index)
    cfg = Config.fromfile('configs/odinw/expalign_v8s_minilm_odinw-local.py')
    cfg.test_dataloader.dataset.update(data_root=str(tmp_path), allow_missing=True)
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
        metric = METRICS.build(cfg.test_evaluator)
        torch.manual_seed(0)
        model = MODELS.build(tiny_detector_config(tmp_path)).eval()
    metric.dataset_meta = dataset.metainfo
    with torch.no_grad():
        predictions = model.test_step(pseudo_collate(list(dataset)))
    assert {sample.text[0] for sample in predictions} == {
        'raccoon', 'there is a package on the porch'}
    metric.process({}, [sample.to_dict() for sample in predictions])
    assert set(metric.evaluate(size=len(dataset))) == {
        'odinw/Raccoon_AP', 'odinw/Raccoon_AP50', 'odinw/Packages_AP', 'odinw/Packages_AP50',
        'odinw/mean_2_of_13'}


@pytest.mark.real_data
def test_the_three_local_sets(real_data):
    dataset = DATASETS.build(dict(
        type='expalign.ODinWDataset', table='local', data_root=str(real_data / 'odinw'),
        pipeline=PIPELINE))
    assert [item['images'] for item in dataset.metainfo['sets']] == [200, 4, 41]
    assert sum(len(dataset[i]['instances']) for i in range(len(dataset))) == 217 + 6 + 49
