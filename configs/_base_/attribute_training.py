# Training on made-up attributes, all but model and data: class branches, text adapter, scales and
# biases on the frozen image side of the embedded default.
_base_ = ['./default_runtime.py', './schedules/stage1_30e.py']
load_from = 'expalign://s-boxes'
trained_parts = [
    'text_adapter', r'neck\.embed_', r'bbox_head\.head_module\.logit_scales',
    r'bbox_head\.head_module\.biases']

custom_hooks = [_base_.finite_loss_hook, _base_.ema_hook]
randomness = dict(seed=0)
