# Stage 2 of expalign_cnxt_o365_goldg-seg.py: from its last weights, with the consistency losses
# (paper, Eqs 5-13) and reduced augmentation.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt-seg.py',
    '../_base_/datasets/o365_goldg_refc.py',
    '../_base_/schedules/stage2_20e.py',
]

load_from = 'work_dirs/expalign_cnxt_o365_goldg-seg/epoch_30.pth'
model = dict(
    consistency=dict(
        type='expalign.ConsistencyRegularizer',
        sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0)))
val_cfg = dict(type='expalign.OptionalValLoop')  # COCO val2017 is no training set
train_dataloader = dict(
    dataset=dict(
        datasets=_base_.o365_goldg_masks, pipeline=_base_.segmentation_pipelines.stage2))
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.segmentation_pipelines.stage2_last),
]
