# Table 3, COCO alone, boxes: 80 epochs without pre-training, the frozen encoders apart.
_base_ = './expalign_cnxt_coco_full.py'

load_from = None
model = dict(backbone=dict(frozen=True), text_encoder=dict(frozen=True))
optim_wrapper = dict(optimizer=dict(lr=2e-3))
