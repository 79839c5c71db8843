# Parity with YOLO-World v2-S on coco-mini; prompts are looked up in a file of CLIP vectors.
_base_ = [
    '../_base_/models/expalign_v8s.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/stage1_30e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{$EXPALIGN_DATA:data}}/coco-mini/'

model = dict(
    text_encoder=dict(
        _delete_=True,
        type='expalign.PromptVectorEncoder',
        vectors='{{$EXPALIGN_DATA:data}}/clip-names/clip_vitb32_names.npz'))

# One bilinear resize up or down, as the reference does it; elsewhere images are shrunk by area.
test_pipeline = [
    dict(type='expalign.LoadImageFromFile'),
    dict(
        type='mmyolo.LetterResize',
        scale=(640, 640),
        allow_scale_up=True,
        interpolation='bilinear',
        pad_val=dict(img=114)),
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    dict(
        type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'pad_param',
                   'text', 'custom_entities')),
]

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

test_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
