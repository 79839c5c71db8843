# Stage 2 of expalign_cnxt-eot_o365_goldg_refc-seg.py.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg_stage2.py'

load_from = 'work_dirs/expalign_cnxt-eot_o365_goldg_refc-seg/epoch_30.pth'
model = dict(text_adapter=dict(token_pooling='eot'))
train_dataloader = dict(dataset=dict(datasets=_base_.o365_goldg_refc_masks))
