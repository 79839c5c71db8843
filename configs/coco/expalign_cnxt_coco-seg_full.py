# Table 3, full tuning on COCO, boxes and masks: 80 epochs from stage 2.
# Everything is trained, image encoder and text tower at a tenth of the rate;
# model.text_encoder.frozen=True keeps the tower.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt-seg.py',
    '../_base_/datasets/coco_segmentation.py',
    '../_base_/schedules/full_80e.py',
]

load_from = 'work_dirs/expalign_cnxt_o365_goldg-seg_stage2/epoch_20.pth'
model = dict(backbone=dict(frozen=False), text_encoder=dict(frozen=False))
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.train_pipeline_stage2),
]
