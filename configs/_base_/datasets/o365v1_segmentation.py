# Objects365 v1 for training, with masks where its annotation file has them; COCO for validation.
_base_ = './coco_segmentation.py'

train_dataloader = dict(
    dataset=dict(
        type='expalign.Objects365V1Dataset',
        data_root='data/Objects365v1/',
        ann_file='annotations/objects365_train.json',
        data_prefix=dict(img='train/')))
