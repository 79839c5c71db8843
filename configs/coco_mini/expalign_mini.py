# The small model on coco-mini val: box AP and false positives of absent prompts.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_mini.py',
    '../_base_/datasets/mini_detection.py',
]
data_root = '{{$EXPALIGN_DATA:data}}/coco-mini/'
ann_file = data_root + 'annotations/instances_val2017.json'

train_dataloader = None
val_cfg = dict(type='mmengine.ValLoop')
test_cfg = dict(type='mmengine.TestLoop')
test_dataloader = dict(dataset=dict(data_root=data_root))
test_evaluator = [
    dict(_base_.test_evaluator, ann_file=ann_file),
    dict(type='expalign.AbsentPromptMetric', ann_file=ann_file),
]
