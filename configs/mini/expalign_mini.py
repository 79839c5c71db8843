# The small model on the 24 + 24 embedded photographs: a few minutes on two CPU cores.
# It shows that the whole path works; 24 photographs do not make an open-vocabulary detector.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_mini.py',
    '../_base_/datasets/mini_detection.py',
    '../_base_/schedules/mini_60e.py',
]

default_hooks = dict(
    logger=dict(interval=3),
    checkpoint=dict(interval=10, max_keep_ckpts=1))
randomness = dict(seed=0)
