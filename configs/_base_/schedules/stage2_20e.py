# Stage 2 (paper, Table 9): 20 epochs, half of stage 1's rate, cosine without warm-up.
_base_ = './stage1_30e.py'
max_epochs = 20
close_mosaic_epochs = 2
base_lr = 1e-3
final_lr_ratio = 0.2

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
