# Stage 2 of expalign_mini-seg.py: from its last weights, with the consistency losses (paper,
# Eqs 5-13), half the rate, no warm-up.
_base_ = './expalign_mini-seg.py'

max_epochs = 20

load_from = 'work_dirs/expalign_mini-seg/epoch_60.pth'
model = dict(
    consistency=dict(
        type='expalign.ConsistencyRegularizer',
        sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0)))
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(
        type='mmengine.CosineAnnealingLR',
        eta_min_ratio=0.2,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
