# ExpAlign on YOLO-World v2-S's image side: YOLOv8-S, text-guided pyramid, one token a prompt.
# The weights come from tools/model_converters/yolo_world_to_expalign.py; see docs/warm_start.md.
num_base_prompts = 80
embed_dims = 512  # D: the width of CLIP ViT-B/32's sentence vectors
widen_factor = 0.5
deepen_factor = 0.33
last_stage_out_channels = 1024
stage_channels = [256, 512, last_stage_out_channels]  # before widening
pyramid_channels = [128, 256, 512]
norm_cfg = dict(type='BN', momentum=0.03, eps=0.001)

model = dict(
    type='expalign.ExpAlignDetector',
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor',
        mean=[0.0, 0.0, 0.0],
        std=[255.0, 255.0, 255.0],
        bgr_to_rgb=True,
        pad_size_divisor=32),
    backbone=dict(
        type='mmyolo.YOLOv8CSPDarknet',
        last_stage_out_channels=last_stage_out_channels,
        deepen_factor=deepen_factor,
        widen_factor=widen_factor,
        norm_cfg=norm_cfg,
        act_cfg=dict(type='SiLU', inplace=True)),
    text_encoder=dict(
        type='expalign.CLIPTokenEncoder', model='openai/clip-vit-base-patch32', frozen=True),
    text_adapter=dict(type='expalign.TextNormalizer', token_pooling='eot'),
    neck=dict(
        type='expalign.EAHNeck',
        inject='max_sigmoid',
        pafpn=dict(
            type='expalign.ExpAlignPAFPN',
            in_channels=stage_channels,
            out_channels=stage_channels,
            deepen_factor=deepen_factor,
            widen_factor=widen_factor,
            num_csp_blocks=3),
        in_channels=pyramid_channels,
        embed_dims=embed_dims,
        num_base_prompts=num_base_prompts),
    bbox_head=dict(
        type='expalign.ExpAlignHead',
        head_module=dict(
            type='expalign.ExpAlignHeadModule',
            in_channels=pyramid_channels,
            num_base_prompts=num_base_prompts)),
    train_cfg=dict(
        assigner=dict(
            type='mmyolo.BatchTaskAlignedAssigner',
            num_classes=num_base_prompts,
            use_ciou=True,
            topk=10,
            alpha=0.5,
            beta=6.0,
            eps=1e-9)),
    test_cfg=dict(
        multi_label=True,
        nms_pre=30000,
        score_thr=0.001,
        nms=dict(type='nms', iou_threshold=0.7),
        max_per_img=300))
