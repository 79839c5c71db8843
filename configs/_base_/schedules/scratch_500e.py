# From random weights on COCO alone: 500 epochs, the rest as in stage1_30e.py.
_base_ = './stage1_30e.py'

max_epochs = 500
close_mosaic_epochs = 10

train_cfg = dict(max_epochs=max_epochs, val_interval=10)
param_scheduler = [
    dict(
        type='mmengine.LinearLR',
        start_factor=1e-8,
        begin=0,
        end=_base_.warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='mmengine.CosineAnnealingLR',
        eta_min_ratio=_base_.final_lr_ratio,
        begin=_base_.warmup_epochs,
        end=max_epochs,
        T_max=max_epochs - _base_.warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
