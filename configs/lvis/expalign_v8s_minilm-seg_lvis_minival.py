# Box and mask AP of the embedded default on LVIS minival, fixed and standard.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm-seg.py',
    '../_base_/datasets/lvis.py',
]

model = _base_.many_prompts
val_evaluator = [dict(metric, metric=['bbox', 'segm']) for metric in _base_.val_evaluator]
test_evaluator = val_evaluator
