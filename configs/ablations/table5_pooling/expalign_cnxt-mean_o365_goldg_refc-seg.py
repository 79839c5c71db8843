# Table 5: the mean of a prompt's tokens instead of the expectation, stage 1.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg.py'

model = dict(text_adapter=dict(token_pooling='mean'))
train_dataloader = dict(dataset=dict(datasets=_base_.o365_goldg_refc_masks))
