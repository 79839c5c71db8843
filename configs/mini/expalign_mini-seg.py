# The small model with masks on the 24 + 24 embedded photographs.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_mini-seg.py',
    '../_base_/datasets/mini_segmentation.py',
    '../_base_/schedules/mini_60e.py',
]

default_hooks = dict(
    logger=dict(interval=3),
    checkpoint=dict(interval=10, max_keep_ckpts=1))
randomness = dict(seed=0)
