# Box AP on LVIS minival, fixed and standard, of checkpoints of the detection form.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt.py',
    '../_base_/datasets/lvis.py',
]

model = _base_.many_prompts
