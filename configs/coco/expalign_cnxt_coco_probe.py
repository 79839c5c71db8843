# Table 3, linear probe on COCO, boxes: 10 epochs from stage 2.
# Trained: the neck (pyramid, class-embedding branches and their norms), the head (box branches,
# logit scales, biases) and the text adapter. Frozen: image encoder and text tower.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/probe_10e.py',
]

load_from = 'work_dirs/expalign_cnxt_o365_goldg_stage2/epoch_20.pth'
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.train_pipeline_stage2),
]
