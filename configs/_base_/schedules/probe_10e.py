# Linear probe (paper, Table 3): 10 epochs, cosine without warm-up.
_base_ = './stage1_30e.py'
max_epochs = 10
close_mosaic_epochs = 5
base_lr = 1e-3
final_lr_ratio = 0.1

train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(
        type='mmengine.CosineAnnealingLR',
        eta_min_ratio=final_lr_ratio,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
optim_wrapper = dict(optimizer=dict(lr=base_lr))
