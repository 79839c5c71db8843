# The embedded default on the three sets of $EXPALIGN_DATA/odinw (flat folders).
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm.py',
    '../_base_/datasets/odinw.py',
]

test_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(table='local', data_root='{{$EXPALIGN_DATA:data}}/odinw/'))
