"""Two recipes, run on small files in the formats and folders that their configs name."""

import json
from pathlib import Path

import pytest
import torch
from mmdet.datasets import CocoDataset, Objects365V1Dataset
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from expalign.checkpoints.safetensors_loader import load_from_safetensors
from expalign.data_tools.coco_to_odvg import convert_coco
from expalign.data_tools.grounding_to_odvg import convert_mdetr
from expalign.datasets.formats.leakage import CocoLeakage
from tests.helpers.reduced import Reduction
from tests.helpers.sources import CAPTION, image_entry, two_annotations, write_image, write_json

OBJECTS365 = 'configs/expalign_cnxt_o365.py'
STAGE_2 = 'configs/pretrain/expalign_cnxt_o365_goldg_refc-seg_stage2.py'
REPLAY = 'configs/own_data/expalign-s_replay.py'
REFERRING = {'refcoco': ('val', 'testA', 'testB'), 'refcoco+': ('val', 'testA', 'testB'),
             'refcocog': ('val', 'test')}


def mdetr_file(path: Path, names: list[str], images: Path | None = None) -> None:
    """Captions with spans, an image each."""
    entries = [image_entry(i, name, caption=CAPTION, original_img_id=i)
               for i, name in enumerate(names)]
    annotations = [
        dict(annotation, tokens_positive=[[0, 9]])
        for i in range(len(names)) for annotation in two_annotations(i, 2 * i)]
    write_json(path, dict(images=entries, annotations=annotations))
    for name in names if images else ():
        write_image(images / name)


def write_objects365(root: Path) -> None:
    """Two images of Objects365."""
    categories = [dict(id=i, name=name)
                  for i, name in enumerate(Objects365V1Dataset.METAINFO['classes'], 1)]
    write_json(root / 'Objects365v1/annotations/objects365_train.json', dict(
        images=[image_entry(i, f'obj365_{i}.jpg') for i in range(2)], categories=categories,
        annotations=[a for i in range(2) for a in two_annotations(i, 2 * i)]))
    for i in range(2):
        write_image(root / f'Objects365v1/train/obj365_{i}.jpg')


def write_data(root: Path) -> None:
    """Two images for every training set, some of which are evaluated on elsewhere."""
    write_objects365(root)
    flickr, mixed = root / 'flickr', root / 'mixed_grounding'
    mdetr_file(flickr / 'annotations/final_flickr_separateGT_train.json', ['1.jpg', '2.jpg'],
               flickr / 'images')
    mdetr_file(mixed / 'annotations/final_mixed_train_no_coco.json', ['3.jpg', '4.jpg'],
               mixed / 'gqa/images')
    write_json(mixed / 'annotations/image_data.json', [dict(image_id=0, coco_id=7)])
    write_json(mixed / 'negative_vocabulary.json', ['a tall tree', 'a boat', 'green grass'])
    train = [f'COCO_train2014_{i:012d}.jpg' for i in range(10, 14)]
    for name, splits in REFERRING.items():
        mdetr_file(root / f'refcoco/finetune_{name}_train.json', train, root / 'coco/train2014')
        for split in splits:  # image 10 is tested on in one of the three sets
            mdetr_file(root / f'refcoco/finetune_{name}_{split}.json', train[:1])
    write_json(root / 'lvis/lvis_v1_val.json', dict(images=[dict(id=12)]))
    coco_file(root / 'coco/annotations/instances_val2017.json', root / 'coco/val2017',
              CocoDataset.METAINFO['classes'], number=11)
    write_masks(root)


def write_masks(root: Path) -> None:
    """The same as lines, as converters write them; masks are those of the files."""
    convert_coco(root / 'Objects365v1/annotations/objects365_train.json',
                 root / 'Objects365v1/masks/objects365_train.jsonl',
                 root / 'Objects365v1/masks/objects365_train.label_map.json')
    for source, output, rule in (
            ('flickr/annotations/final_flickr_separateGT_train', 'flickr/masks/flickr_train', None),
            ('mixed_grounding/annotations/final_mixed_train_no_coco',
             'mixed_grounding/masks/gqa_train',
             str(root / 'mixed_grounding/annotations/image_data.json'))):
        convert_mdetr(root / f'{source}.json', root / f'{output}.jsonl', CocoLeakage(rule))
    for name in REFERRING:  # what is evaluated on is left out by the recipe
        convert_mdetr(root / f'refcoco/finetune_{name}_train.json',
                      root / f'refcoco/masks/{name}_train.jsonl', whole_caption=True)


def coco_file(path: Path, images: Path, classes, number: int = 0) -> None:
    """One image with two boxes."""
    write_json(path, dict(
        images=[image_entry(number, f'{number:012d}.jpg')], annotations=two_annotations(number),
        categories=[dict(id=i, name=name) for i, name in enumerate(classes, 1)]))
    write_image(images / f'{number:012d}.jpg')


def moved_and_small(node, root: Path):
    """A part of a config with data in another folder and images of a tenth of the size."""
    if isinstance(node, dict):
        return ConfigDict({key: moved_and_small(value, root) for key, value in node.items()})
    if isinstance(node, list | tuple):
        return type(node)(moved_and_small(value, root) for value in node)
    if isinstance(node, str) and node.startswith('data/'):
        return str(root / node[len('data/'):]) + ('/' if node.endswith('/') else '')
    return {640: 64, -320: -32}.get(node, node) if isinstance(node, int) else node


def make_runner(config: str, folder: Path) -> Runner:
    """A runner of the reduced config for two epochs, the second one without mosaic."""
    cfg = Reduction(folder)(config)
    keys = ('train_dataloader', 'val_dataloader', 'val_evaluator', 'custom_hooks')
    cfg.update({key: moved_and_small(cfg[key], folder / 'data') for key in keys})
    loader = dict(batch_size=2, num_workers=0, persistent_workers=False, pin_memory=False)
    cfg.merge_from_dict(dict(
        work_dir=str(folder / 'work'), load_from=None, sync_bn=None, log_level='WARNING',
        train_cfg=dict(max_epochs=2), train_dataloader=loader, val_dataloader=loader))
    cfg.default_hooks.pop('visualization')
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    for hook in cfg.custom_hooks:
        if hook.type == 'mmdet.PipelineSwitchHook':
            hook.switch_epoch = 1
        elif 'dataloader' in hook:
            hook.dataloader.update(loader)
    return Runner.from_cfg(cfg)


@pytest.fixture(scope='module', autouse=True)
def plain_config_text():
    """Runners write their config several times; formatting it takes longer than these runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, 'pretty_text', property(lambda cfg: repr(cfg.to_dict())))
        yield


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> Runner:
    """Stage 2 of the main recipe, after training."""
    folder = tmp_path_factory.mktemp('run')
    write_data(folder / 'data')
    runner = make_runner(STAGE_2, folder)
    runner.start_state = {key: value.clone() for key, value in runner.model.state_dict().items()}
    runner.train()
    return runner


def test_every_set_is_read_and_what_is_evaluated_on_is_left_out(run):
    objects, flickr, gqa, *referring = run.train_dataloader.dataset.datasets
    assert [len(part) for part in (objects, flickr, gqa)] == [2, 2, 1]
    assert [len(part) for part in referring] == [2, 2, 2]  # 12 and 13 of 10 to 13
    assert [part.ann_file.split('/')[-2] for part in (objects, flickr, gqa)] == ['masks'] * 3


def test_the_last_epochs_have_no_mosaic(run):
    kinds = [type(step).__name__ for step in run.train_dataloader.dataset.pipeline.transforms]
    assert 'RandomChoice' not in kinds and 'LetterResize' in kinds
    dataset = run.train_dataloader.dataset
    sample = dataset[2]['data_samples']  # of Flickr30k
    assert sample.img_shape[:2] == (64, 64) and sample.gt_instances.has_mask.dtype == torch.bool
    assert 'a boat' in sample.text and not sample.positives[sample.text.index('a boat')]


def test_encoders_stay_and_the_average_is_saved(run):
    state = run.model.state_dict()
    for name, value in run.start_state.items():
        if name.startswith(('backbone.', 'text_encoder.')):
            assert torch.equal(state[name], value)
    name = 'neck.embed_branches.0.2.weight'
    assert not torch.equal(state[name], run.start_state[name])
    saved = torch.load(Path(run.work_dir) / 'epoch_2.pth', weights_only=False)
    assert f'module.{name}' in saved['ema_state_dict']
    assert not any(key.startswith('module.backbone.') for key in saved['ema_state_dict'])
    assert {'train/loss_mask', 'train/loss_sem', 'train/loss_geo'} <= set(
        run.message_hub.log_scalars)


def test_the_main_recipe_needs_objects365_alone(tmp_path, caplog):
    write_objects365(tmp_path / 'data')
    with caplog.at_level('WARNING', logger='mmengine'):
        runner = make_runner(OBJECTS365, tmp_path)
        runner.train()
    assert (runner.epoch, runner.iter) == (2, 2)
    assert runner.val_loop.left_out and runner.val() == {}
    assert 'train/loss_cls' in runner.message_hub.log_scalars


def test_replay_mixes_and_reports(tmp_path):
    root = tmp_path / 'data'
    for split in ('train', 'val'):
        coco_file(root / f'own/annotations/{split}.json', root / f'own/{split}', ['a red box', 'b'])
    runner = make_runner(REPLAY, tmp_path)
    runner.train()
    assert runner.train_dataloader.dataset.epoch_sizes() == [1, 24]  # the shipped photographs
    report = json.loads((tmp_path / 'work/zero_shot_report.json').read_text())
    assert set(report) == {'before', 'after', 'change'}
    assert 'coco/bbox_mAP' in report['before'] and set(report['before']) == set(report['after'])
    assert any('coco/bbox_mAP' in name for name in runner.message_hub.log_scalars)
    # What was trained, with the classes that it was trained for; the whole, for lack of a base.
    for name in ('best', 'last'):
        loaded = load_from_safetensors(tmp_path / f'work/{name}.safetensors')
        assert loaded['state_dict']._metadata['']['known_classes']['names'] == ['a red box', 'b']
        assert any(key.startswith('backbone.') for key in loaded['state_dict'])
