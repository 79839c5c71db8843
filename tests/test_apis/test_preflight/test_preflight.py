"""What is wrong with a training is listed at once, before it starts."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from expalign.apis.preflight import PreflightError, Report, data, preflight, resources, weights
from expalign.engine.step_cost import StepCost
from expalign.registry import MODELS
from expalign.utils.run_lock import run_lock
from tests.helpers.models import tiny_detector_config, tiny_segmentation_config
from tests.helpers.sources import coco_source, mdetr_source, odvg_source


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Configs of a detector and of one with masks."""
    folder = tmp_path_factory.mktemp('tokenizer')
    return tiny_detector_config(folder), tiny_segmentation_config(folder)


@pytest.fixture(autouse=True)
def measured(monkeypatch, request):
    """The cost of a step is measured in the first test alone."""
    if request.node.name != 'test_a_training_that_can_start':
        cost = StepCost(1000, 1000, 0, 2**20, 0, 0, 0)
        monkeypatch.setattr(resources, 'measure_step', lambda *_: cost)


def config(tmp_path: Path, model: dict, *sources: dict, **settings) -> Config:
    """A training on sources, with small images."""
    prompts = dict(type='expalign.SamplePrompts', num_prompts=8,
                   negative_vocabulary=settings.pop('vocabulary', ['a boat']))
    dataset = dict(type='expalign.MixtureDataset', datasets=list(sources),
                   pipeline=[dict(type='mmyolo.LetterResize', scale=(64, 64)), prompts])
    return Config(dict(
        dict(model=model, work_dir=str(tmp_path / 'work'), default_scope='mmdet',
             train_dataloader=dict(batch_size=2, dataset=dataset),
             train_cfg=dict(max_epochs=3), optim_wrapper=dict(type='mmengine.OptimWrapper'),
             default_hooks=dict(checkpoint=dict(max_keep_ckpts=2))), **settings))


def texts(report, state: str) -> list[str]:
    return [str(line) for line in report.lines if line.state == state]


def test_a_training_that_can_start(tmp_path, models):
    cfg = config(tmp_path, models[1], coco_source(tmp_path), odvg_source(tmp_path),
                 custom_hooks=[dict(type='expalign.TrainableEMAHook')])
    cfg.model.consistency = None
    report = preflight(cfg)
    assert report.faults == [] and report.raise_faults() is None
    table = report.table()
    assert table.endswith('preflight: ready to train')
    assert not (tmp_path / 'work').exists()  # nothing is written
    for part in ('backbone', 'text_encoder'):
        assert f'ok    {part}: no weights of its own, frozen, sha256 ' in table
    assert '2 instances looked at, 100.0% with a mask; 2 images looked at' in table  # ODVG
    # Weights, two moments and the average, of float32; two are kept and one is being written.
    model = MODELS.build(cfg.model)
    every = sum(x.numel() for x in (*model.parameters(), *model.buffers()))
    trained = sum(x.numel() for x in model.parameters() if x.requires_grad)
    size = 4 * (every + 3 * trained)
    assert f'3 checkpoints of {size / 2**30:.2f} GiB need {3 * size / 2**30:.2f} GiB' in table
    assert 'batches of 2 images of 64 px need' in table


def test_all_that_is_wrong_is_listed_at_once_with_what_to_do(tmp_path, models):
    coco, captions = coco_source(tmp_path), mdetr_source(tmp_path)
    for image in tmp_path.glob('coco_*.png'):
        image.unlink()
    gone = dict(coco, ann_file=str(tmp_path / 'gone.json'))
    wrong = dict(coco, metainfo=dict(classes=('red box', 'zebra')))
    nowhere = dict(captions, data_prefix=dict(img=str(tmp_path / 'nowhere')))
    leaking = dict(captions, leakage=dict(type='coco', vg_image_data='data/no_vg.json'))
    cfg = config(tmp_path, dict(models[0], backbone=dict(
        type='expalign.DINOv3ConvNeXt', model=str(tmp_path / 'no_weights'))),
        coco, gone, wrong, nowhere, leaking, captions, vocabulary='data/no_vocabulary.json',
        load_from='work_dirs/expalign_cnxt_o365/epoch_30.pth')
    report = preflight(cfg)
    faults = texts(report, 'FAULT')
    for part, problem, remedy in (
            ('backbone', 'no_weights', 'set model.backbone.model to a local folder'),
            ('start', 'epoch_30.pth', 'train what writes it first, the config expalign_cnxt_o365'),
            ('train data', 'gone.json', 'put the file there'),
            ('coco.json', 'coco_0.png: it is missing', 'unpack the images'),
            ('coco.json', 'no category for', 'check_dataset.py'),
            ('mdetr.json', "nowhere' does not exist", 'unpack the images there'),
            ('train data', "'data/no_vg.json', which", 'put the file there'),
            ('negative vocabulary', "'data/no_vocabulary.json' does not exist, and captions",
             'build_negative_vocabulary.py')):
        assert any(part in fault and problem in fault and remedy in fault
                   for fault in faults), (part, faults)
    assert any('zebra' in fault for fault in faults)
    assert len(faults) == 8
    with pytest.raises(PreflightError) as info:
        report.raise_faults()
    assert all(fault in str(info.value) for fault in faults)
    assert report.table().endswith('preflight: 8 faults')


def test_what_is_not_needed_is_a_note(tmp_path, models):
    missing = dict(dataset=dict(type='expalign.CocoDataset', ann_file='data/none.json'))
    cfg = config(tmp_path, models[0], coco_source(tmp_path), vocabulary='data/none.json',
                 val_dataloader=missing, val_cfg=dict(type='expalign.OptionalValLoop'))
    report = preflight(cfg)
    assert not report.faults
    vocabulary, validation = texts(report, 'note')
    assert "'data/none.json' does not exist, and is not needed" in vocabulary
    assert "none, as 'data/none.json' does not exist" in validation
    cfg.val_cfg.type = 'mmengine.ValLoop'
    cfg.val_evaluator = dict(type='expalign.CocoMetric', ann_file='data/other.json')
    assert [line.part for line in preflight(cfg).faults] == ['validation data', 'validation']


@pytest.mark.parametrize('allow', [False, True])
def test_masks_that_no_instance_has(tmp_path, models, allow):
    source = mdetr_source(tmp_path)
    content = json.loads(Path(source['ann_file']).read_text())
    for annotation in content['annotations']:
        annotation['segmentation'] = []
    Path(source['ann_file']).write_text(json.dumps(content))
    cfg = config(tmp_path, models[1], source)
    cfg.default_hooks.mask_share = dict(allow_none=allow)
    report = preflight(cfg)
    assert [line.part for line in report.faults] == ([] if allow else ['masks'])
    assert any('none of 8 instances looked at has one' in str(line) for line in report.lines)


def test_large_files_are_sampled(tmp_path, models, monkeypatch):
    monkeypatch.setattr(data, 'WHOLE', 0)
    monkeypatch.setattr('expalign.apis.preflight.file_heads.RECORDS', 3)
    source = coco_source(tmp_path, 6)
    report = preflight(config(tmp_path, models[0], source, mdetr_source(tmp_path)))
    assert not report.faults
    assert '3 instances looked at' in report.table() and '3 images looked at' in report.table()
    wrong = dict(source, metainfo=dict(classes=('red box', 'zebra')))
    (fault,) = texts(preflight(config(tmp_path, models[0], wrong)), 'FAULT')
    assert "the file has no category 'zebra' (1 of 2 names are unknown)" in fault
    Path(source['ann_file']).write_text('{"images": [{"id": 1}, ')
    (fault,) = texts(preflight(config(tmp_path, models[0], source)), 'FAULT')
    assert 'is not valid JSON' in fault


def test_too_many_bad_annotations(tmp_path, models):
    source = coco_source(tmp_path)
    content = json.loads(Path(source['ann_file']).read_text())
    for annotation in content['annotations'][:3]:
        annotation['bbox'] = [0, 0, -1, 5]
    Path(source['ann_file']).write_text(json.dumps(content))
    report = preflight(config(tmp_path, models[0], source))
    assert not report.faults
    assert any('annotations that training leaves out' in x for x in texts(report, 'note'))
    (fault,) = texts(preflight(config(
        tmp_path, models[0], dict(source, max_bad_annotations=2))), 'FAULT')
    assert '3 annotations are wrong, more than max_bad_annotations=2' in fault


def test_checkpoints(tmp_path, models):
    detector, segmenter = map(MODELS.build, models)
    path, masks, other = (str(tmp_path / f'{name}.pth') for name in 'abc')
    torch.save(dict(state_dict=detector.state_dict(), meta={}), path)
    torch.save(dict(state_dict=segmenter.state_dict(), meta={}), masks)
    torch.save(dict(state_dict={'a': torch.zeros(1)}, meta={}), other)
    source = coco_source(tmp_path)

    def start(load_from, **settings):
        report = Report()
        cfg = config(tmp_path, models[0], source, load_from=load_from, **settings)
        weights.check_start(cfg, detector, report)
        (line,) = report.lines
        return str(line)

    assert start(None) == 'ok    start: from new weights, but for the encoders'
    assert start(path) == f'ok    start: {path}, fits the model'
    assert start(masks) == f'ok    start: {masks}, fits the model'  # of the detection form
    assert start(path, resume=True) == f'ok    resuming: {path}, fits the model'
    assert start(None, resume='auto').startswith('ok    start')
    assert f'{other} does not fit the model' in start(other)
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(other).write_bytes(content)
    assert 'is damaged' in start(other)


def test_resources(tmp_path, models, monkeypatch):
    cfg = config(tmp_path, models[0], coco_source(tmp_path))
    with run_lock(tmp_path / 'work'):
        lock = json.loads((tmp_path / 'work/run.lock').read_text())
        assert not preflight(cfg).faults  # this very process
        (tmp_path / 'work/run.lock').write_text(json.dumps(dict(lock, machine='other')))
        monkeypatch.setattr(
            resources.shutil, 'disk_usage', lambda _: SimpleNamespace(free=10))
        monkeypatch.setattr(resources, '_memory', lambda: (2.0**20, 'a small GPU'))
        report = preflight(cfg)
    folder, disk, memory = report.faults
    assert 'belongs to a run on another machine' in folder.text
    assert 'GiB are free' in disk.text and 'max_keep_ckpts=1' in disk.remedy
    assert 'a small GPU has 0.0 GiB' in memory.text
    assert 'set train_dataloader.batch_size to 1' in memory.remedy


def test_a_hub_that_cannot_be_reached_is_told_at_once(tmp_path, models, monkeypatch):
    monkeypatch.setattr(weights, 'hub_answers', lambda: False)
    model = dict(models[0], text_encoder=dict(type='expalign.CLIPTokenEncoder', model='no/model'))
    (fault,) = preflight(config(tmp_path, model, coco_source(tmp_path))).faults
    assert fault.part == 'text_encoder' and "'no/model' is no local folder" in fault.text
