# Stage 1 of the main recipe with RefCOCO, RefCOCO+ and RefCOCOg too, with masks.
_base_ = './expalign_cnxt_o365_goldg-seg.py'

train_dataloader = dict(dataset=dict(datasets=_base_.o365_goldg_refc_masks))
