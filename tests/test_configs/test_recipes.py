"""The merged configs say what the paper's tables and docs/design say: data, stages, ablations."""

from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from expalign.registry import MODELS
from tests.helpers.reduced import Reduction

DATA = {
    'o365': ['objects365_train'],
    'o365_goldg': [
        'objects365_train', 'final_flickr_separateGT_train', 'final_mixed_train_no_coco'],
    'o365_goldg_refc': [
        'objects365_train', 'final_flickr_separateGT_train', 'final_mixed_train_no_coco',
        'finetune_refcoco_train', 'finetune_refcoco+_train', 'finetune_refcocog_train'],
}
# With masks: what tools/misc/reproduce.sh writes (data/*/masks/*.jsonl).
MASKS = {'final_flickr_separateGT_train': 'flickr_train', 'final_mixed_train_no_coco': 'gqa_train'}
FULL = dict(hsv=(0.015, 0.7, 0.4), translate=0.1, scale=(0.5, 1.5), flip=0.5)
HALF = dict(hsv=(0.0075, 0.35, 0.2), translate=0.05, scale=(0.75, 1.25), flip=0.25)


@cache
def load(name: str) -> Config:
    (path,) = Path('configs').rglob(f'{name}.py')
    return Config.fromfile(path, import_custom_modules=False)


@pytest.fixture(scope='module')
def reduce(tmp_path_factory):
    return Reduction(tmp_path_factory.mktemp('encoders'))


def kinds(pipeline) -> list[str]:
    return [step['type'].split('.')[-1] for step in pipeline]


def step(pipeline, *names):
    (found,) = [s for s in pipeline if s['type'].split('.')[-1] in names]
    return found


def strengths(pipeline) -> dict:
    """Strengths of a pipeline's colour, affine and flip transforms."""
    hsv = step(pipeline, 'YOLOv5HSVRandomAug')
    affine = step(pipeline, 'YOLOv5RandomAffine', 'RandomAffine')
    return dict(
        hsv=(hsv.hue_delta, hsv.saturation_delta, hsv.value_delta),
        translate=affine.max_translate_ratio, scale=tuple(affine.scaling_ratio_range),
        flip=step(pipeline, 'RandomFlip').prob)


def switch(cfg):
    (hook,) = [hook for hook in cfg.custom_hooks if hook.type == 'mmdet.PipelineSwitchHook']
    return hook


def check_optimisation(cfg, epochs, lr, ratio, warmup):
    optimizer = cfg.optim_wrapper.optimizer
    assert cfg.train_cfg.max_epochs == epochs
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', lr, 0.025)
    assert tuple(optimizer.betas) == (0.9, 0.999)
    *first, cosine = cfg.param_scheduler
    assert [s.end for s in first] == ([warmup] if warmup else [])
    assert (cosine.begin, cosine.end, cosine.T_max) == (warmup, epochs, epochs - warmup)
    assert cosine.eta_min_ratio == ratio
    assert cfg.auto_scale_lr.base_batch_size == 128
    (ema,) = [hook for hook in cfg.custom_hooks if hook.type == 'expalign.TrainableEMAHook']
    assert (ema.momentum, ema.update_buffers) == (1e-4, True)
    assert 'expalign.FiniteLossHook' in [hook.type for hook in cfg.custom_hooks]


@pytest.mark.parametrize('form', ['', '-seg'])
@pytest.mark.parametrize('data', DATA)
def test_data_and_model(data, form):
    for stage in ('', '_stage2', '_stage2_noaug'):
        cfg = load(f'expalign_cnxt_{data}{form}{stage}')
        mixture = cfg.train_dataloader.dataset
        files = [Path(part.ann_file).stem for part in mixture.datasets]
        names = DATA[data]
        if form:
            names = [MASKS.get(name, name).replace('finetune_', '') for name in names]
            assert all(Path(part.ann_file).parent.name == 'masks' and part.ann_file.endswith(
                '.jsonl') and part.type == 'expalign.ODVGDataset' for part in mixture.datasets)
        assert mixture.type == 'expalign.MixtureDataset' and files == names
        assert cfg.train_dataloader.batch_size * 8 == 128
        assert cfg.model.backbone.frozen and cfg.model.text_encoder.frozen
        assert cfg.model.bbox_head.type.endswith('InsHead' if form else 'AlignHead')
        assert cfg.val_evaluator.metric == (['bbox', 'segm'] if form else 'bbox')
        assert kinds(mixture.pipeline)[-2:] == ['SamplePrompts', 'PackInstances']
        assert kinds(mixture.pipeline)[1] == ('LoadInstances' if form else 'LoadAnnotations')


def test_tau_of_the_main_model(reduce):
    """tau_t = 1, in the config of every recipe of the paper and in the model that is built."""
    recipes = [path for folder in ('pretrain', 'ablations', 'coco')
               for path in Path('configs', folder).rglob('expalign_*.py')]
    assert len(recipes) > 40
    for path in ['configs/expalign_cnxt_o365.py', *recipes]:
        assert Config.fromfile(path, import_custom_modules=False).model.neck.tau == 1.0, path
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(reduce('configs/expalign_cnxt_o365.py').model)
    assert model.neck.tau == 1.0


def test_evaluation_images_are_left_out_of_the_training_sets():
    for form in ('', '-seg'):
        sets = load(f'expalign_cnxt_o365_goldg_refc{form}').train_dataloader.dataset.datasets
        if form:  # the classes of the others have a rule by default, or goldg2odvg.py has one
            assert sets[0].leakage == 'coco'
        else:
            assert sets[2].leakage.vg_image_data.endswith('image_data.json')
        for referring in sets[3:]:
            rule = referring.leakage
            assert form or referring.whole_caption
            assert len(rule.splits) == 8 and 'val2017' in rule.coco_val
            assert rule.type == 'refcoco'


@pytest.mark.parametrize('form', ['', '-seg'])
def test_stage_1(form):
    cfg = load(f'expalign_cnxt_o365_goldg{form}')
    check_optimisation(cfg, epochs=30, lr=2e-3, ratio=0.1, warmup=3)
    assert cfg.model.get('consistency') is None and cfg.load_from is None
    pipeline, last = cfg.train_dataloader.dataset.pipeline, switch(cfg).switch_pipeline
    assert switch(cfg).switch_epoch == 28
    assert strengths(pipeline) == strengths(last) == FULL
    mosaic = step(pipeline, 'Mosaic')
    assert mosaic.get('prob', 1.0) == 1.0 and 'Mosaic' not in kinds(last)
    assert mosaic.pre_transform == pipeline[:2]
    assert step(pipeline, 'YOLOv5RandomAffine', 'RandomAffine').border == (-320, -320)
    for steps in (pipeline, last):
        assert step(steps, 'SamplePrompts').num_prompts == 80
        assert 'negative_vocabulary' in step(steps, 'SamplePrompts')


@pytest.mark.parametrize('form', ['', '-seg'])
def test_stage_2(form):
    cfg = load(f'expalign_cnxt_o365_goldg{form}_stage2')
    check_optimisation(cfg, epochs=20, lr=1e-3, ratio=0.2, warmup=0)
    regularizer = cfg.model.consistency
    assert (regularizer.sem.loss_weight, regularizer.geo.loss_weight) == (0.5, 1.0)
    pipeline, last = cfg.train_dataloader.dataset.pipeline, switch(cfg).switch_pipeline
    assert switch(cfg).switch_epoch == 18 and strengths(last) == HALF
    choice = step(pipeline, 'RandomChoice')
    assert choice.prob == [0.5, 0.5]
    (mosaic, affine), letterbox = choice.transforms
    assert kinds([mosaic]) == ['Mosaic'] and affine.border == (-320, -320)
    assert mosaic.pre_transform == pipeline[:2]
    assert [*pipeline[:2], *letterbox, *pipeline[3:]] == last
    for branch in choice.transforms:
        assert strengths([*branch, *pipeline[3:]]) == HALF


@pytest.mark.parametrize('form', ['', '-seg'])
def test_stage_2_without_augmentation(form):
    """Table 4's rows with *: stage 2 but for mosaic, flip and HSV."""
    cfg, usual = (
        load(f'expalign_cnxt_o365_goldg{form}_stage2{change}') for change in ('_noaug', ''))
    check_optimisation(cfg, epochs=20, lr=1e-3, ratio=0.2, warmup=0)
    assert cfg.model == usual.model and cfg.load_from == usual.load_from
    pipeline = cfg.train_dataloader.dataset.pipeline
    left_out = ('YOLOv5HSVRandomAug', 'RandomFlip')
    last = switch(usual).switch_pipeline
    assert set(left_out) < set(kinds(last)) and 'Mosaic' not in kinds(last)
    assert pipeline == [s for s in last if s.type.split('.')[-1] not in left_out]
    assert 'mmdet.PipelineSwitchHook' not in [hook.type for hook in cfg.custom_hooks]


def test_table_6():
    """All pairs but the main recipe's own, (0.5, 1)."""
    base, pairs = 'expalign_cnxt_o365_goldg-seg_stage2', set()
    usual = load(base)
    for name in ('000-geo000', '050-geo000', '000-geo100', '050-geo050', '100-geo050',
                 '100-geo100'):
        cfg = load(f'{base}_sem{name}')
        weights = cfg.model.consistency.sem.loss_weight, cfg.model.consistency.geo.loss_weight
        assert weights == (int(name[:3]) / 100, int(name[-3:]) / 100)
        pairs.add(weights)
        assert cfg.train_dataloader == usual.train_dataloader
        assert {**cfg.model, 'consistency': usual.model.consistency} == usual.model
    assert pairs == {(0, 0), (0.5, 0), (0, 1), (0.5, 0.5), (1, 0.5), (1, 1)}


@pytest.mark.parametrize('stage', ['', '_stage2'])
def test_tables_5_and_7_and_backbones(stage):
    for pooling in ('mean', 'eot'):
        cfg = load(f'expalign_cnxt-{pooling}_o365_goldg_refc-seg{stage}')
        usual = load(f'expalign_cnxt_o365_goldg_refc-seg{stage}')
        assert cfg.model.text_adapter.token_pooling == pooling
        assert usual.model.text_adapter.token_pooling == 'expectation'
        assert cfg.train_dataloader == usual.train_dataloader
    for letter, size, widths in (('s', 'small', [192, 384, 768]), ('b', 'base', [256, 512, 1024]),
                                 ('l', 'large', [384, 768, 1536])):
        cfg = load(f'expalign_cnxt-{letter}_o365_goldg-seg{stage}')
        assert cfg.model.backbone.model == f'facebook/dinov3-convnext-{size}-pretrain-lvd1689m'
        assert cfg.model.neck.pafpn.in_channels == widths
    assert not load(f'expalign_cnxt-unfrozen_o365_goldg-seg{stage}').model.backbone.frozen
    yolo = load(f'expalign_yolov8l_o365_goldg-seg{stage}').model
    assert yolo.backbone.type == 'mmyolo.YOLOv8CSPDarknet'
    assert yolo.neck.pafpn.in_channels == [256, 512, 512] and yolo.neck.get('inject') is None


@pytest.mark.parametrize('stage', ['', '_stage2'])
@pytest.mark.parametrize(('change', 'size', 'window'), [
    ('none', None, False), ('1k', '_1k', False), ('10k', '_10k', False),
    ('1k-window', '_1k', True), ('10k-window', '_10k', True)])
def test_appendix_g(stage, change, size, window):
    cfg = load(f'expalign_cnxt_o365_goldg-seg{stage}_neg-{change}')
    usual = load(f'expalign_cnxt_o365_goldg-seg{stage}')
    for mine, theirs in (
            (cfg.train_dataloader.dataset.pipeline, usual.train_dataloader.dataset.pipeline),
            (switch(cfg).switch_pipeline, switch(usual).switch_pipeline)):
        sampling = step(mine, 'SamplePrompts')
        file = sampling.negative_vocabulary
        assert file is None if size is None else file.endswith(f'vocabulary{size}.json')
        assert sampling.get('similarity_window') == (dict(
            text_model='openai/clip-vit-large-patch14', quantiles=(0.5, 0.999))
            if window else None)
        assert kinds(mine) == kinds(theirs)
    further = ['expalign.SimilarityWindowHook'] if window else []
    assert [hook.type for hook in cfg.custom_hooks] == [
        *(hook.type for hook in usual.custom_hooks), *further]


def trained_names(cfg) -> tuple[set[str], dict[str, float]]:
    """First parts of the names of trained parameters, and their rates."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
        groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    rates = {id(value): group['lr'] for group in groups for value in group['params']}
    named = {name: rates[id(value)] for name, value in model.named_parameters()
             if value.requires_grad}
    for group in groups:
        for parameter in group['params']:
            assert group['weight_decay'] == (0.025 if parameter.ndim > 1 else 0.0)
    return {name.split('.')[0] for name in named}, named


@pytest.mark.parametrize('form', ['', '-seg'])
@pytest.mark.parametrize(('recipe', 'epochs', 'lr', 'without_mosaic'), [
    ('probe', 10, 1e-3, 5), ('probe-last', 10, 1e-3, 5), ('full', 80, 2e-4, 10)])
def test_table_3(form, recipe, epochs, lr, without_mosaic, reduce):
    cfg = reduce(f'configs/coco/expalign_cnxt_coco{form}_{recipe}.py')
    check_optimisation(cfg, epochs=epochs, lr=lr, ratio=0.1, warmup=0)
    assert cfg.load_from == f'work_dirs/expalign_cnxt_o365_goldg{form}_stage2/epoch_20.pth'
    assert cfg.train_dataloader.dataset.type == 'expalign.CocoDataset'
    assert strengths(cfg.train_dataloader.dataset.pipeline) == FULL
    assert switch(cfg).switch_epoch == epochs - without_mosaic
    assert 'Mosaic' not in kinds(switch(cfg).switch_pipeline)
    parts, rates = trained_names(cfg)
    if recipe == 'probe':
        assert parts == {'neck', 'bbox_head', 'text_adapter'} and set(rates.values()) == {lr}
    elif recipe == 'full':
        assert parts == {'backbone', 'text_encoder', 'neck', 'bbox_head', 'text_adapter'}
        for name, rate in rates.items():
            encoder = name.startswith(('backbone.', 'text_encoder.'))
            assert rate == pytest.approx(lr * (0.1 if encoder else 1))
    else:
        last = [f'neck.embed_branches.{i}.2.{kind}' for i in range(3)
                for kind in ('weight', 'bias')]
        scalars = [f'bbox_head.head_module.{kind}.{i}' for i in range(3)
                   for kind in ('logit_scales', 'biases')]
        adapter = [name for name in rates if name.startswith('text_adapter.')]
        assert len(adapter) == 4 and set(rates) == {*last, *scalars, *adapter}


@pytest.mark.parametrize(('recipe', 'parts'), [
    ('full', {'backbone', 'text_encoder', 'neck', 'bbox_head', 'text_adapter'}),
    ('probe', {'neck', 'bbox_head', 'text_adapter'}),
    ('adapter', {'text_adapter'}),
    ('tune', {'tuned_prompts'}),
    ('replay', {'neck', 'bbox_head'})])
@pytest.mark.parametrize('masks', ['', '-seg'])
def test_own_data(recipe, masks, parts, reduce):
    cfg = reduce(f'configs/own_data/expalign-s{masks}_{recipe}.py')
    assert trained_names(cfg)[0] == parts
    assert cfg.load_from == 'expalign://s'
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=128)
    dataset = cfg.train_dataloader.dataset
    own = dataset.datasets[0] if recipe == 'replay' else dataset
    assert own.data_root == 'data/own/' and own.ann_file == 'annotations/train.json'
    assert cfg.val_evaluator.ann_file == 'data/own/annotations/val.json'
    assert cfg.val_evaluator.metric == (['bbox', 'segm'] if masks else 'bbox')
    assert ('LoadInstances' in kinds(dataset.pipeline)) == bool(masks)
    if recipe == 'replay':
        assert Path(dataset.datasets[1].data_root, dataset.datasets[1].ann_file).is_file()
    (report,) = [hook for hook in cfg.custom_hooks if hook.type == 'expalign.ZeroShotReportHook']
    assert Path(report.evaluator.ann_file).is_file()
    assert report.dataloader.dataset.data_prefix.img == 'val2017/'  # not those of the replay


def test_table_3_probe_last_leaves_norm_statistics_alone(reduce):
    with DefaultScope.overwrite_default_scope('mmdet'):
        cfg = reduce('configs/coco/expalign_cnxt_coco_probe-last.py')
        model = MODELS.build(cfg.model).train()
    assert not any(
        module.training for module in model.modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm))
    assert model.text_adapter.ffn.training and not model.neck.pafpn.training
