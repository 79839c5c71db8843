# mini_detection.py with instance masks; see coco_segmentation.py.
_base_ = './mini_detection.py'

mask_transforms = {'mmdet.LoadAnnotations': 'expalign.LoadInstances'}
train_pipeline = [
    dict(step, type=mask_transforms.get(step.type, step.type)) for step in _base_.train_pipeline]
train_pipeline_stage2 = train_pipeline

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
