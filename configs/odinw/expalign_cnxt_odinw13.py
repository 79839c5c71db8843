# The 13 sets of ODinW13, without training on them.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt.py',
    '../_base_/datasets/odinw.py',
]
