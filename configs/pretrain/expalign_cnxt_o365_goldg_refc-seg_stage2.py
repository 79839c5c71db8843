# Stage 2 of expalign_cnxt_o365_goldg_refc-seg.py.
_base_ = './expalign_cnxt_o365_goldg-seg_stage2.py'

load_from = 'work_dirs/expalign_cnxt_o365_goldg_refc-seg/epoch_30.pth'
train_dataloader = dict(dataset=dict(datasets=_base_.o365_goldg_refc_masks))
