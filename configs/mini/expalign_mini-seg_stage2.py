# Stage 2 of expalign_mini-seg.py: from its last weights, with the consistency losses (paper,
# Eqs 5-13), half the rate, no warm-up.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_mini-seg.py',
    '../_base_/datasets/mini_segmentation.py',
    '../_base_/schedules/stage2_20e.py',
]

load_from = 'work_dirs/expalign_mini-seg/epoch_60.pth'
model = dict(
    consistency=dict(
        type='expalign.ConsistencyRegularizer',
        sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0)))
train_cfg = dict(val_interval=_base_.max_epochs)
default_hooks = dict(
    logger=dict(interval=3),
    checkpoint=dict(interval=10, max_keep_ckpts=1))
randomness = dict(seed=0)
