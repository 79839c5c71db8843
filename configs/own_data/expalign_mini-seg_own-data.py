# The small model with masks on your own photographs in COCO format: copy this file and edit the
# paths. Class names, and so the prompts, are read from the annotation file.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_mini-seg.py',
    '../_base_/datasets/mini_segmentation.py',
    '../_base_/schedules/mini_60e.py',
]

data_root = 'data/own/'

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/train.json',
        data_prefix=dict(img='train/')))
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/val.json',
        data_prefix=dict(img='val/')))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator

default_hooks = dict(
    logger=dict(interval=3),
    checkpoint=dict(interval=10, max_keep_ckpts=1))
