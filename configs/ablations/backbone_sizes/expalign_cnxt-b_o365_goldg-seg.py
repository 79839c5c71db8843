# The main recipe with DINOv3 ConvNeXt-B, stage 1.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg.py'

model = dict(
    backbone=dict(model='facebook/dinov3-convnext-base-pretrain-lvd1689m'),
    neck=dict(pafpn=dict(in_channels=[256, 512, 1024])))
