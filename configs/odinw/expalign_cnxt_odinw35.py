# All 35 sets of ODinW, without training on them; both means.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt.py',
    '../_base_/datasets/odinw.py',
]

test_dataloader = dict(dataset=dict(table='odinw35'))
