# Training of a text adapter on coco-mini, all but the model: two epochs without mosaic on one
# machine. The variable EXPALIGN_YOLO_WORLD_CONVERTED names the image side's weights, alone or
# assembled with a text side that training starts from (expalign.checkpoints.assemble).
_base_ = [
    './default_runtime.py',
    './datasets/coco_mini.py',
    './schedules/stage1_30e.py',
]
load_from = '{{$EXPALIGN_YOLO_WORLD_CONVERTED:yolo_world_v8s.safetensors}}'
max_epochs = 2

train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline_stage2))
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(
        type='mmengine.CosineAnnealingLR',
        eta_min_ratio=0.1,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
optim_wrapper = dict(optimizer=dict(lr=2e-4))
default_hooks = dict(logger=dict(interval=6), checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)
