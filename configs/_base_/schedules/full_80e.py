# Full tuning (paper, Table 3): 80 epochs, cosine without warm-up; the encoders at a tenth of the
# rate.
_base_ = './stage1_30e.py'
max_epochs = 80
close_mosaic_epochs = 10
base_lr = 2e-4
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
optim_wrapper = dict(
    optimizer=dict(lr=base_lr),
    paramwise_cfg=dict(
        custom_keys={'backbone': dict(lr_mult=0.1), 'text_encoder': dict(lr_mult=0.1)}))
