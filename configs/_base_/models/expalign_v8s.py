# ExpAlign on YOLO-World v2-S's image side: YOLOv8-S, text-guided pyramid, one token a prompt.
# The weights come from tools/model_converters/yolo_world_to_expalign.py; see docs/weights.md.
_base_ = './expalign_cnxt.py'
embed_dims = 512  # D: the width of CLIP ViT-B/32's sentence vectors
widen_factor = 0.5
deepen_factor = 0.33
stage_channels = [256, 512, 1024]  # before widening
pyramid_channels = [128, 256, 512]

model = dict(
    data_preprocessor=dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0]),
    backbone=dict(
        _delete_=True,
        type='mmyolo.YOLOv8CSPDarknet',
        last_stage_out_channels=stage_channels[-1],
        deepen_factor=deepen_factor,
        widen_factor=widen_factor,
        norm_cfg=dict(type='BN', momentum=0.03, eps=0.001),
        act_cfg=dict(type='SiLU', inplace=True)),
    text_encoder=dict(model='openai/clip-vit-base-patch32'),
    text_adapter=dict(_delete_=True, type='expalign.TextNormalizer', token_pooling='eot'),
    neck=dict(
        inject='max_sigmoid',
        pafpn=dict(
            in_channels=stage_channels,
            out_channels=stage_channels,
            deepen_factor=deepen_factor,
            widen_factor=widen_factor),
        in_channels=pyramid_channels,
        embed_dims=embed_dims),
    bbox_head=dict(head_module=dict(in_channels=pyramid_channels)))
