# Table 5: a prompt's end-of-text token alone, stage 1.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg.py'

model = dict(text_adapter=dict(token_pooling='eot'))
train_dataloader = dict(dataset=dict(datasets=_base_.o365_goldg_refc_masks))
