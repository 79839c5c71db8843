# Stage 2 of expalign_cnxt-b_o365_goldg-seg.py.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg_stage2.py'

load_from = 'work_dirs/expalign_cnxt-b_o365_goldg-seg/epoch_30.pth'
model = dict(
    backbone=dict(model='facebook/dinov3-convnext-base-pretrain-lvd1689m'),
    neck=dict(pafpn=dict(in_channels=[256, 512, 1024])))
