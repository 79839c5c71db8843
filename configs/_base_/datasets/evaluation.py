# What configs for evaluation alone share: no training; the test pipeline of COCO at 640 px.
_base_ = './coco_detection.py'

train_dataloader = None
val_cfg = dict(type='mmengine.ValLoop')
test_cfg = dict(type='mmengine.TestLoop')
