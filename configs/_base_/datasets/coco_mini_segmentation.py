# coco_mini.py with instance masks where there are any; see coco_segmentation.py.
_base_ = './coco_segmentation.py'
data_root = '{{$EXPALIGN_DATA:data}}/coco-mini/'
ann_file = data_root + 'annotations/instances_val2017.json'

loader = dict(batch_size=8, num_workers=0, persistent_workers=False, pin_memory=False)
train_dataloader = dict(**loader, dataset=dict(data_root=data_root))
val_dataloader = dict(**loader, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=ann_file)
test_evaluator = val_evaluator
