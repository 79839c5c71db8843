# Stage 2 of expalign_yolov8l_o365_goldg-seg.py.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg_stage2.py'

load_from = 'work_dirs/expalign_yolov8l_o365_goldg-seg/epoch_30.pth'
model = dict(
    data_preprocessor=dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0]),
    backbone=dict(
        _delete_=True,
        type='mmyolo.YOLOv8CSPDarknet',
        last_stage_out_channels=512,
        norm_cfg=dict(type='BN', momentum=0.03, eps=0.001),
        act_cfg=dict(type='SiLU', inplace=True)),
    neck=dict(pafpn=dict(in_channels=[256, 512, 512])))
