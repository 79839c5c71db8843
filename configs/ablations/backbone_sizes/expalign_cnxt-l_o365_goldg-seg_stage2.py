# Stage 2 of expalign_cnxt-l_o365_goldg-seg.py.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg_stage2.py'

load_from = 'work_dirs/expalign_cnxt-l_o365_goldg-seg/epoch_30.pth'
model = dict(
    backbone=dict(model='facebook/dinov3-convnext-large-pretrain-lvd1689m'),
    neck=dict(pafpn=dict(in_channels=[384, 768, 1536])))
