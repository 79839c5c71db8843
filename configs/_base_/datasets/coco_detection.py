# COCO 2017 detection at 640 px: mosaic, affine, HSV and flip (paper, Section 4.1), 80 prompts.
data_root = 'data/coco/'
img_scale = (640, 640)  # width, height
affine_scale = 0.5
num_prompts = 80

# Decoded images stay in memory where at least half of a set's would fit: of hundreds, not of COCO.
pre_transform = [
    dict(type='expalign.LoadImageFromFile', cache_bytes=2**30),
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
]

# Prompts are chosen last, among the classes whose instances are still there.
last_transform = [
    dict(
        type='mmyolo.YOLOv5HSVRandomAug',
        hue_delta=0.015,
        saturation_delta=0.7,
        value_delta=0.4),
    dict(type='expalign.RandomFlip', prob=0.5),
    dict(type='expalign.SamplePrompts', num_prompts=num_prompts),
    dict(
        type='expalign.PackInstances',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'flip', 'flip_direction',
                   'text', 'prompt_masks', 'positives', 'source')),
]

train_pipeline = [
    *pre_transform,
    dict(type='expalign.Mosaic', img_scale=img_scale, pad_val=114.0, pre_transform=pre_transform),
    dict(
        type='expalign.RandomAffine',
        max_rotate_degree=0.0,
        max_shear_degree=0.0,
        max_translate_ratio=0.1,
        scaling_ratio_range=(1 - affine_scale, 1 + affine_scale),
        max_aspect_ratio=100,
        border=(-img_scale[0] // 2, -img_scale[1] // 2),  # the mosaic is twice as large
        border_val=(114, 114, 114)),
    *last_transform,
]

# Without mosaic, for the last epochs (mmdet.PipelineSwitchHook).
train_pipeline_stage2 = [
    *pre_transform,
    dict(type='mmyolo.YOLOv5KeepRatioResize', scale=img_scale),
    dict(
        type='mmyolo.LetterResize',
        scale=img_scale,
        allow_scale_up=True,
        pad_val=dict(img=114)),
    dict(
        type='expalign.RandomAffine',
        max_rotate_degree=0.0,
        max_shear_degree=0.0,
        max_translate_ratio=0.1,
        scaling_ratio_range=(1 - affine_scale, 1 + affine_scale),
        max_aspect_ratio=100,
        border_val=(114, 114, 114)),
    *last_transform,
]

# Always letterboxed to one fixed square: the alignment maps depend on every cell of a level.
test_pipeline = [
    dict(type='expalign.LoadImageFromFile'),
    dict(type='mmyolo.YOLOv5KeepRatioResize', scale=img_scale),
    dict(
        type='mmyolo.LetterResize',
        scale=img_scale,
        allow_scale_up=False,
        pad_val=dict(img=114)),
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    dict(
        type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'pad_param',
                   'text', 'custom_entities', 'source')),
]

# For --tta: the image and its mirror image, merged. It is mirrored before it is resized and padded.
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
tta_model = dict(type='expalign.InstanceTTAModel')

train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=True),
    collate_fn=dict(type='expalign.collate_samples'),
    dataset=dict(
        type='expalign.CocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=False, min_size=32),
        pipeline=train_pipeline))

val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=False),
    dataset=dict(
        type='expalign.CocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='expalign.CocoMetric',
    ann_file=data_root + 'annotations/instances_val2017.json',
    metric='bbox')
test_evaluator = val_evaluator
