# Your own data, the text adapter alone (1.1 M parameters) for 10 epochs: it learns what your names
# look like, boxes and image side stay as they are. See docs/own_data.md.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm.py',
    '../_base_/datasets/own_data.py',
    '../_base_/schedules/probe_10e.py',
]

load_from = '{{$EXPALIGN_WARM_START:expalign://s-boxes}}'
model = dict(
    type='expalign.PartlyTrainedDetector', trained=['text_adapter'], known_names=None)
auto_scale_lr = dict(enable=True)
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.train_pipeline_stage2),
]
