# The main recipe with DINOv3 ConvNeXt-S, stage 1.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg.py'

model = dict(backbone=dict(model='facebook/dinov3-convnext-small-pretrain-lvd1689m'))
