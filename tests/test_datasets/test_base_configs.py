"""The pipelines and dataloaders of configs/_base_/datasets, run on the embedded photographs."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import METRICS, DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from expalign.datasets import CocoDataset, Objects365V1Dataset

ROOT = Path(__file__).parents[2]
MINI = ROOT / 'demo' / 'data' / 'mini'
SIZES = {'mini': 320, 'coco': 640, 'o365v1': 640}


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    """Configs name data from the repository's root; mmdet's scope is the default, as in a run."""
    monkeypatch.chdir(ROOT)
    np.random.seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def write_with_names(split, classes, folder):
    """The embedded annotations in a file that has all ``classes``, in reverse order.

    Categories whose name is not among the classes take the name of another one.
    """
    content = json.loads((MINI / 'annotations' / f'instances_{split}2017.json').read_text())
    old_names = {category['id']: category['name'] for category in content['categories']}
    ids = {name.strip(): index + 1000 for index, name in enumerate(classes)}
    for annotation in content['annotations']:
        name = old_names[annotation['category_id']]
        annotation['category_id'] = ids.get(name, 1000 + len(name))
    content['categories'] = [dict(id=ids[n.strip()], name=n) for n in reversed(classes)]
    path = folder / f'{split}_{len(classes)}.json'
    path.write_text(json.dumps(content))
    return str(path)


def load_config(name, folder):
    """The config ``name``; data that is not here is replaced by the embedded photographs.

    'o365v1' is COCO's with Objects365 for training.
    """
    base = 'mini' if name == 'mini' else 'coco'
    cfg = Config.fromfile(f'configs/_base_/datasets/{base}_detection.py')
    if name == 'mini':
        return cfg
    if name == 'o365v1':
        cfg.train_dataloader.dataset.type = 'expalign.Objects365V1Dataset'
    coco_names = CocoDataset.METAINFO['classes']
    train_names = coco_names if name == 'coco' else Objects365V1Dataset.METAINFO['classes']
    for dataloader, split, names in ((cfg.train_dataloader, 'train', train_names),
                                     (cfg.val_dataloader, 'val', coco_names)):
        dataloader.dataset.ann_file = write_with_names(split, names, folder)
        dataloader.dataset.data_prefix = dict(img=str(MINI / f'{split}2017'))
        dataloader.batch_size = min(dataloader.batch_size, 2)
        dataloader.update(num_workers=0, persistent_workers=False, pin_memory=False)
    cfg.train_dataloader.dataset.leakage = None  # the photographs are COCO's
    cfg.val_evaluator.ann_file = cfg.val_dataloader.dataset.ann_file
    return cfg


def check_training_sample(inputs, sample, boxes, labels, size, num_prompts):
    assert inputs.shape == (3, size, size) and inputs.dtype == torch.uint8
    assert len(sample.text) == len(set(sample.text)) == num_prompts
    assert len(sample.prompt_masks) == len(sample.positives) == num_prompts
    assert sum(sample.prompt_masks) > num_prompts - 12
    assert boxes.shape == (len(labels), 4)
    assert (boxes >= 0).all() and (boxes <= size).all()
    assert (labels >= 0).all() and (labels < num_prompts).all()
    assert np.flatnonzero(sample.positives).tolist() == sorted(set(labels.tolist()))
    assert (sample.img_path.endswith('.jpg') and isinstance(sample.img_id, int))


@pytest.mark.parametrize(('name', 'num_prompts'), [('mini', 58), ('coco', 80), ('o365v1', 80)])
def test_training_batches(name, num_prompts, tmp_path):
    cfg = load_config(name, tmp_path)
    dataloader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    batch = next(iter(dataloader))
    assert len(batch['inputs']) == cfg.train_dataloader.batch_size
    truth = batch['data_samples'].truth
    for index, sample in enumerate(batch['data_samples']):
        boxes, labels = (part[index, truth.real[index]] for part in (truth.boxes, truth.labels))
        check_training_sample(
            batch['inputs'][index], sample, boxes, labels, SIZES[name], num_prompts)
    if name == 'o365v1':
        first, second = (set(sample.text) for sample in batch['data_samples'])
        assert first != second and first | second <= set(dataloader.dataset.metainfo['classes'])


def test_names_stay_with_their_boxes_through_mosaic(tmp_path):
    """Each class has a colour: at the centre of a box is the colour of its prompt."""
    colors = {f'class {i}': (20 * i, 250 - 20 * i, (70 * i) % 256) for i in range(12)}
    content = dict(images=[], annotations=[], categories=[])
    for index, (name, color) in enumerate(colors.items()):
        image = np.full((200, 300, 3), 114, dtype=np.uint8)
        image[40:160, 60:240] = color
        cv2.imwrite(str(tmp_path / f'{index}.png'), image)
        content['images'].append(
            dict(id=index, file_name=f'{index}.png', width=300, height=200))
        content['annotations'].append(dict(
            id=index + 1, image_id=index, category_id=index, bbox=[60, 40, 180, 120], area=21600,
            iscrowd=0))
        content['categories'].append(dict(id=index, name=name))
    (tmp_path / 'colors.json').write_text(json.dumps(content))

    dataset_cfg = Config.fromfile('configs/_base_/datasets/coco_detection.py').train_dataloader[
        'dataset']
    assert 'expalign.Mosaic' in [step.type for step in dataset_cfg.pipeline]
    dataset_cfg.update(
        data_root=str(tmp_path), ann_file='colors.json', data_prefix=dict(img=''),
        metainfo=dict(classes=list(colors)[::-1]),
        pipeline=[step for step in dataset_cfg.pipeline if 'HSV' not in step.type])
    dataset_cfg.pipeline[-2].num_prompts = 6
    dataset = DATASETS.build(dataset_cfg)
    checked = set()
    for index in range(24):
        item = dataset[index % 12]
        sample = item['data_samples']
        assert len(sample.text) == 6
        instances = sample.gt_instances
        for box, label in zip(instances.bboxes.tensor, instances.labels.tolist(), strict=True):
            x, y = ((box[:2] + box[2:]) / 2).int().tolist()
            assert tuple(item['inputs'][:, y, x].tolist()) == colors[sample.text[label]]
            checked.add(sample.text[label])
    assert len(checked) > 8


def test_mosaics_do_not_depend_on_workers(tmp_path):
    cfg = load_config('coco', tmp_path).train_dataloader.dataset
    dataset = DATASETS.build(cfg)

    def load(workers, epoch=0):
        dataset.set_epoch(epoch)
        loader = DataLoader(dataset, num_workers=workers, sampler=range(4), collate_fn=list)
        return [(item['inputs'], item['data_samples'].text, item['data_samples'].positives,
                 item['data_samples'].gt_instances.bboxes.tensor) for [item] in loader]

    alone = load(0)
    for workers in (1, 2):
        for one, other in zip(alone, load(workers), strict=True):
            assert torch.equal(one[0], other[0]) and torch.equal(one[3], other[3])
            assert one[1:3] == other[1:3]
    assert not any(torch.equal(a[0], b[0]) for a, b in zip(alone, load(0, epoch=1), strict=True))


@pytest.mark.parametrize(
    ('name', 'pipeline'), [('mini', 'train_pipeline'), ('coco', 'train_pipeline_stage2')])
def test_pipeline_without_mosaic(name, pipeline, tmp_path):
    cfg = load_config(name, tmp_path)
    kinds = [step.type for step in cfg[pipeline]]
    assert 'expalign.Mosaic' not in kinds and kinds[-2:] == [
        'expalign.SamplePrompts', 'expalign.PackInstances']
    dataset_cfg = cfg.train_dataloader.dataset
    dataset_cfg.pipeline = cfg[pipeline]
    dataset = DATASETS.build(dataset_cfg)
    item = dataset[0]
    found = item['data_samples'].gt_instances
    check_training_sample(
        item['inputs'], item['data_samples'], found.bboxes.tensor, found.labels, SIZES[name],
        len(dataset.metainfo['classes']))
    own = {dataset.metainfo['classes'][i['bbox_label']]
           for i in dataset.get_data_info(0)['instances']}
    labels = item['data_samples'].gt_instances.labels.tolist()
    assert {item['data_samples'].text[label] for label in labels} <= own


@pytest.mark.parametrize(('name', 'num_prompts'), [('mini', 58), ('o365v1', 80)])
def test_validation_batches(name, num_prompts, tmp_path):
    cfg = load_config(name, tmp_path)
    dataloader = Runner.build_dataloader(cfg.val_dataloader, seed=0)
    batch = next(iter(dataloader))
    sample = batch['data_samples'][0]
    size = SIZES[name]
    assert batch['inputs'][0].shape == (3, size, size)
    assert sample.text == list(dataloader.dataset.metainfo['classes'])
    assert len(sample.text) == num_prompts
    height, width = sample.ori_shape
    assert sample.scale_factor == pytest.approx((size / width, size / width), rel=0.01)
    assert sum(sample.pad_param[:2]) == size - round(height * sample.scale_factor[1])
    # Annotations are loaded after the resize: they stay in the original image.
    assert sample.gt_instances.bboxes.tensor[:, 2].max() > size / 2
    metric = METRICS.build(cfg.val_evaluator)
    metric.dataset_meta = dataloader.dataset.metainfo


@pytest.mark.parametrize('name', ['coco', 'mini'])
def test_every_type_has_its_scope(name):
    def types(node):
        if isinstance(node, dict):
            if 'type' in node:
                yield node['type']
            node = list(node.values())
        if isinstance(node, list | tuple):
            for child in node:
                yield from types(child)

    cfg = Config.fromfile(f'configs/_base_/datasets/{name}_detection.py').to_dict()
    found = set(types(cfg))
    assert len(found) > 10 and all('.' in kind for kind in found)


def test_missing_data_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = Config.fromfile(str(ROOT / 'configs' / '_base_' / 'datasets' / 'coco_detection.py'))
    with pytest.raises(FileNotFoundError, match="'data/coco/annotations/instances_train2017"):
        DATASETS.build(cfg.train_dataloader.dataset)
    with pytest.raises(FileNotFoundError, match="'ann_file' of the evaluator"):
        METRICS.build(cfg.val_evaluator)
