# The main recipe, stage 1 on Objects365 v1 (paper, Section 4.1), with masks where the annotation
# file has them. 8 GPUs x 16 images: tools/dist_train.sh configs/expalign_cnxt_o365-seg.py 8
_base_ = [
    './_base_/default_runtime.py',
    './_base_/models/expalign_cnxt-seg.py',
    './_base_/datasets/o365v1_segmentation.py',
    './_base_/schedules/stage1_30e.py',
]

custom_hooks = [
    dict(type='expalign.FiniteLossHook'),
    dict(
        type='expalign.TrainableEMAHook',
        ema_type='mmyolo.ExpMomentumEMA',
        momentum=1e-4,
        update_buffers=True,
        strict_load=False,
        priority=49),
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.train_pipeline_stage2),
]
