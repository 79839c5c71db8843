# Stage 2 of expalign_cnxt_o365_goldg_refc-seg.py without mosaic, flip, HSV: Table 4's rows with *
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg_stage2.py'

load_from = 'work_dirs/expalign_cnxt_o365_goldg_refc-seg/epoch_30.pth'
train_dataloader = dict(
    dataset=dict(
        datasets=_base_.o365_goldg_refc_masks, pipeline=_base_.segmentation_pipelines.stage2_noaug))
custom_hooks = [_base_.finite_loss_hook, _base_.ema_hook]
