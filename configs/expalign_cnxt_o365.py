# Stage 1 of the main recipe on Objects365 v1 alone.
_base_ = './pretrain/expalign_cnxt_o365_goldg.py'

train_dataloader = dict(dataset=dict(datasets=_base_.o365))
