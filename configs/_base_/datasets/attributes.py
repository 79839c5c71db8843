# Made-up attributes: what tools/misc/make_attribute_set.py writes, with masks. Nothing changes
# colours or mirrors pictures, of which prompts speak, and no mosaic joins pictures whose absent
# prompts are known each for itself.
_base_ = './coco_segmentation.py'
data_root = 'data/attributes/'
img_scale = (384, 384)  # width, height
num_prompts = 24

# Classes are the prompts of the file.
attributes = dict(type='expalign.LVISV1Dataset', data_root=data_root, data_prefix=dict(img=''),
                  metainfo=dict(classes=None))
letterbox = [
    dict(type='mmyolo.YOLOv5KeepRatioResize', scale=img_scale),
    dict(type='mmyolo.LetterResize', scale=img_scale, allow_scale_up=False, pad_val=dict(img=114)),
]
train_pipeline = [
    *_base_.pre_transform,
    *letterbox,
    dict(type='expalign.SamplePrompts', num_prompts=num_prompts),
    _base_.train_pipeline[-1],
]
load_image, _, _, load_truth, pack = _base_.test_pipeline
test_pipeline = [load_image, *letterbox, load_truth, pack]
tta_pipeline = [
    load_image,
    dict(
        type='mmengine.TestTimeAug',
        transforms=[
            [dict(type='mmdet.RandomFlip', prob=prob) for prob in (1.0, 0.0)],
            *([stage] for stage in (*letterbox, load_truth)),
            [dict(pack, meta_keys=(*pack['meta_keys'], 'flip', 'flip_direction'))],
        ]),
]

train_dataloader = dict(dataset=dict(
    _delete_=True, **attributes, ann_file='annotations/train.json', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(
    _delete_=True, **attributes, ann_file='annotations/test.json', test_mode=True,
    pipeline=test_pipeline))
test_dataloader = val_dataloader

# Of prompts that an image was not asked nothing is known: evaluated as LVIS is.
val_evaluator = [
    dict(type='expalign.LVISMetric', ann_file=data_root + 'annotations/test.json'),
    dict(
        type='expalign.AbsentPromptMetric',
        ann_file=data_root + 'annotations/test.json',
        absent='neg_category_ids'),
]
test_evaluator = val_evaluator
