# Table 7: the image encoder is trained too, at the rate of the rest. The paper sees it collapse.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg.py'

model = dict(backbone=dict(frozen=False))
