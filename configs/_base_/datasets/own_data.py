# Your own photographs in COCO format at 640 px, for one machine. Class names, and so the prompts,
# are read from the annotation file.
_base_ = './coco_detection.py'
data_root = 'data/own/'

own_set = dict(
    type='expalign.TextCocoDataset',
    data_root=data_root,
    ann_file='annotations/train.json',
    data_prefix=dict(img='train/'),
    filter_cfg=dict(filter_empty_gt=False))
train_dataloader = dict(
    num_workers=4, dataset=dict(**own_set, pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        type='expalign.TextCocoDataset',
        data_root=data_root,
        ann_file='annotations/val.json',
        data_prefix=dict(img='val/')))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator
