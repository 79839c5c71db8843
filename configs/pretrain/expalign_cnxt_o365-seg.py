# Stage 1 of the main recipe on Objects365 v1 alone, with masks.
_base_ = './expalign_cnxt_o365_goldg-seg.py'

train_dataloader = dict(dataset=dict(datasets=_base_.o365_masks))
