# Stage 1 (paper, Table 9): 30 epochs, AdamW, 3 epochs of linear warm-up, then cosine.
max_epochs = 30
warmup_epochs = 3
close_mosaic_epochs = 2
base_lr = 2e-3
final_lr_ratio = 0.1

train_cfg = dict(type='mmengine.EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='mmengine.ValLoop')
test_cfg = dict(type='mmengine.TestLoop')

# The warm-up starts at zero; the scheduler needs a factor above it.
param_scheduler = [
    dict(
        type='mmengine.LinearLR',
        start_factor=1e-8,
        begin=0,
        end=warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='mmengine.CosineAnnealingLR',
        eta_min_ratio=final_lr_ratio,
        begin=warmup_epochs,
        end=max_epochs,
        T_max=max_epochs - warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]

# The constructor leaves biases, norms and logit scales without decay.
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    constructor='expalign.TrainableOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=base_lr, betas=(0.9, 0.999), weight_decay=0.025),
    clip_grad=dict(max_norm=10.0))

# Learning rates are for 8 GPUs x 16 images.
auto_scale_lr = dict(enable=False, base_batch_size=128)

finite_loss_hook = dict(type='expalign.FiniteLossHook')
ema_hook = dict(
    type='expalign.TrainableEMAHook',
    ema_type='expalign.ExpMomentumEMA',
    momentum=1e-4,
    update_buffers=True,
    strict_load=False,
    priority=49)
custom_hooks = [finite_loss_hook]
