# The small model on the 24 + 24 embedded photographs: a few minutes on two CPU cores.
# It shows that the whole path works; 24 photographs do not make an open-vocabulary detector.
_base_ = [
    './_base_/default_runtime.py',
    './_base_/models/expalign_mini.py',
    './_base_/datasets/mini_detection.py',
    './_base_/schedules/stage1_30e.py',
]

max_epochs = 60

train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
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

default_hooks = dict(
    logger=dict(interval=3),
    checkpoint=dict(interval=10, max_keep_ckpts=1))
randomness = dict(seed=0)
