# The small model on your own photographs in COCO format: copy this file and edit the paths.
# Class names, and so the prompts, are read from the annotation file.
_base_ = '../mini/expalign_mini.py'

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
