# Box and mask AP on LVIS minival of Table 7's model with a YOLOv8-L backbone.
_base_ = './expalign_cnxt-seg_lvis_minival.py'

model = dict(
    data_preprocessor=dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0]),
    backbone=dict(
        _delete_=True,
        type='mmyolo.YOLOv8CSPDarknet',
        last_stage_out_channels=512,
        norm_cfg=dict(type='BN', momentum=0.03, eps=0.001),
        act_cfg=dict(type='SiLU', inplace=True)),
    neck=dict(pafpn=dict(in_channels=[256, 512, 512])))
