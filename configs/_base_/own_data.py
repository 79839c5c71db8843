# What the recipes of `own_data` share: your photographs in COCO format, whose class names are the
# prompts; the zero-shot report on the shipped photographs; AdamW with a cosine and no warm-up.
# Sizes, epochs and folders in here are set by `followed` at the end of each recipe.
_base_ = ['./default_runtime.py', './datasets/coco_detection.py', './schedules/stage1_30e.py']
from expalign.utils.own_data_recipe import shipped_photographs  # noqa: E402  (after _base_)

shipped = shipped_photographs()
load_from = 'expalign://s'

own_set = dict(
    type='expalign.TextCocoDataset',
    data_root='data/own/',
    ann_file='annotations/train.json',
    data_prefix=dict(img='train/'),
    filter_cfg=dict(filter_empty_gt=False))
loader = dict(num_workers=2, persistent_workers=True, pin_memory=False)
train_dataloader = dict(
    **loader, dataset=dict(_delete_=True, **own_set, pipeline=_base_.train_pipeline))
val_dataloader = dict(
    **loader,
    dataset=dict(
        type='expalign.TextCocoDataset',
        data_root='data/own/',
        ann_file='annotations/val.json',
        data_prefix=dict(img='val/')))
test_dataloader = val_dataloader
val_evaluator = dict(classwise=True)
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=10)
param_scheduler = [
    dict(
        type='mmengine.CosineAnnealingLR',
        eta_min_ratio=0.1,
        begin=0,
        end=10,
        T_max=10,
        by_epoch=True,
        convert_to_iter_based=True),
]
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(enable=True)
randomness = dict(seed=0)

default_hooks = dict(
    logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=1))
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(type='mmdet.PipelineSwitchHook', switch_epoch=5, switch_pipeline=[]),
    dict(
        type='expalign.ZeroShotReportHook',
        dataloader=dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='mmengine.DefaultSampler', shuffle=False),
            dataset=dict(
                type='expalign.TextCocoDataset',
                data_root=shipped,
                ann_file='annotations/instances_val2017.json',
                data_prefix=dict(img='val2017/'),
                test_mode=True,
                pipeline=_base_.test_pipeline)),
        evaluator=dict(
            type='expalign.CocoMetric',
            ann_file=f'{shipped}/annotations/instances_val2017.json',
            metric='bbox')),
    dict(type='expalign.KnownClassesHook'),
    dict(type='expalign.TrainedPartHook'),
    dict(type='expalign.TrainingProgressHook'),
]
