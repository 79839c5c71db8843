# Your own data, everything trained: 80 epochs, image encoder and MiniLM at a tenth of the rate.
# Best for a closed list of classes; costs zero-shot ability. See docs/own_data.md.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm.py',
    '../_base_/datasets/own_data.py',
    '../_base_/schedules/full_80e.py',
]

load_from = '{{$EXPALIGN_WARM_START:expalign://s-boxes}}'
model = dict(text_encoder=dict(frozen=False), known_names=None)
auto_scale_lr = dict(enable=True)
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.train_pipeline_stage2),
]
