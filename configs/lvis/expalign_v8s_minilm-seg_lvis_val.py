# Box and mask AP of the embedded default on LVIS val (19,809 images), fixed and standard.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm-seg.py',
    '../_base_/datasets/lvis.py',
]

model = _base_.many_prompts
val_dataloader = dict(dataset=dict(ann_file='lvis/lvis_v1_val.json'))
test_dataloader = val_dataloader
val_evaluator = [
    dict(metric, ann_file='data/lvis/lvis_v1_val.json', split='val', metric=['bbox', 'segm'])
    for metric in _base_.val_evaluator]
test_evaluator = val_evaluator
