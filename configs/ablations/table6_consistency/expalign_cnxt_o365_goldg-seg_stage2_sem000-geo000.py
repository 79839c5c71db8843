# Table 6: (lambda_sem, lambda_geo) = (0, 0).
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg_stage2.py'

model = dict(consistency=dict(sem=dict(loss_weight=0.0), geo=dict(loss_weight=0.0)))
