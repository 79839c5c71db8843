# coco_detection.py with instance masks: the same transforms, where masks matter in the form that
# carries them. Instances without a mask keep their boxes.
_base_ = './coco_detection.py'

mask_transforms = {'mmdet.LoadAnnotations': 'expalign.LoadInstances'}
pre_transform = [
    dict(step, type=mask_transforms.get(step.type, step.type)) for step in _base_.pre_transform]
train_pipeline, train_pipeline_stage2 = (
    [
        dict(step, type=mask_transforms.get(step.type, step.type)) | (
            dict(pre_transform=pre_transform) if 'pre_transform' in step else {})
        for step in pipeline
    ]
    for pipeline in (_base_.train_pipeline, _base_.train_pipeline_stage2))

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
