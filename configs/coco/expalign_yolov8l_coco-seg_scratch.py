# Table 3, a YOLOv8-L detector trained on COCO from random weights, boxes and masks: 500 epochs,
# YOLOv8's own number, with this project's head, CLIP's names and stage 1's optimiser.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt-seg.py',
    '../_base_/datasets/coco_segmentation.py',
    '../_base_/schedules/scratch_500e.py',
]

model = dict(
    data_preprocessor=dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0]),
    backbone=dict(
        _delete_=True,
        type='mmyolo.YOLOv8CSPDarknet',
        last_stage_out_channels=512,
        norm_cfg=dict(type='BN', momentum=0.03, eps=0.001),
        act_cfg=dict(type='SiLU', inplace=True)),
    neck=dict(pafpn=dict(in_channels=[256, 512, 512])))
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.train_pipeline_stage2),
]
