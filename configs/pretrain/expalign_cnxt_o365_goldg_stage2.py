# Stage 2 of expalign_cnxt_o365_goldg.py: from its last weights, with the consistency losses
# (paper, Eqs 5-13) and reduced augmentation.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt.py',
    '../_base_/datasets/o365_goldg_refc.py',
    '../_base_/schedules/stage2_20e.py',
]

load_from = 'work_dirs/expalign_cnxt_o365_goldg/epoch_30.pth'
model = dict(
    consistency=dict(
        type='expalign.ConsistencyRegularizer',
        sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0)))
val_cfg = dict(type='expalign.OptionalValLoop')  # COCO val2017 is no training set
train_dataloader = dict(dataset=dict(pipeline=_base_.detection_pipelines.stage2))
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.detection_pipelines.stage2_last),
]
