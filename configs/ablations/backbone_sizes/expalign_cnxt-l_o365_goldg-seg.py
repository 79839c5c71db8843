# The main recipe with DINOv3 ConvNeXt-L, stage 1.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg.py'

model = dict(
    backbone=dict(model='facebook/dinov3-convnext-large-pretrain-lvd1689m'),
    neck=dict(pafpn=dict(in_channels=[384, 768, 1536])))
