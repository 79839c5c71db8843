# The embedded photographs of demo/data/mini (24 + 24, boxes and masks of COCO) at 320 px, for CPUs.
# No mosaic and no affine transform: at 320 px they leave too little of each photograph for a run
# of minutes.
_base_ = './coco_detection.py'
data_root = 'demo/data/mini/'  # from the root of the repository
img_scale = (320, 320)  # width, height

train_pipeline, test_pipeline = (
    [
        dict(step, scale=img_scale) if 'scale' in step else step
        for step in pipeline if step.type != 'expalign.RandomAffine'
    ]
    for pipeline in (_base_.train_pipeline_stage2, _base_.test_pipeline))
train_pipeline_stage2 = train_pipeline
# As in coco_detection.py.
load_image, *test_stages, pack = test_pipeline
tta_pipeline = [
    load_image,
    dict(
        type='mmengine.TestTimeAug',
        transforms=[
            [dict(type='mmdet.RandomFlip', prob=prob) for prob in (1.0, 0.0)],
            *([stage] for stage in test_stages),
            [dict(pack, meta_keys=(*pack['meta_keys'], 'flip', 'flip_direction'))],
        ]),
]

loader = dict(num_workers=0, persistent_workers=False, pin_memory=False)
train_dataloader = dict(
    batch_size=8,
    **loader,
    dataset=dict(type='expalign.TextCocoDataset', data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    **loader,
    dataset=dict(type='expalign.TextCocoDataset', data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = val_evaluator
