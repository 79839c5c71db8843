# Stage 2 of expalign_cnxt_o365_goldg.py without mosaic, flip, HSV: Table 4's rows with *
_base_ = '../../pretrain/expalign_cnxt_o365_goldg_stage2.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.detection_pipelines.stage2_noaug))
custom_hooks = [_base_.finite_loss_hook, _base_.ema_hook]
