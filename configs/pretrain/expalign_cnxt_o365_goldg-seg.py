# The main recipe, stage 1 on Objects365 v1 and GoldG (paper, Section 4.1), with masks by
# SAM 2.1: the paper's model.
# 8 GPUs x 16 images: tools/dist_train.sh configs/pretrain/expalign_cnxt_o365_goldg-seg.py 8
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt-seg.py',
    '../_base_/datasets/o365_goldg_refc.py',
    '../_base_/schedules/stage1_30e.py',
]

val_cfg = dict(type='expalign.OptionalValLoop')  # COCO val2017 is no training set
train_dataloader = dict(
    dataset=dict(
        datasets=_base_.o365_goldg_masks, pipeline=_base_.segmentation_pipelines.stage1))
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.segmentation_pipelines.stage1_last),
]
