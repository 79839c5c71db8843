# Trains the text adapter of the embedded default on coco-mini; everything else is frozen. The
# variable EXPALIGN_YOLO_WORLD_CONVERTED names the image side's weights, alone or assembled with a
# text side that training starts from (expalign.convert.assemble).
_base_ = './expalign_v8s_minilm.py'
custom_imports = dict(
    imports=['expalign', 'expalign.distill.freeze_hook'], allow_failed_imports=False)
data_root = '{{$EXPALIGN_DATA:data}}/coco-mini/'
load_from = '{{$EXPALIGN_YOLO_WORLD_CONVERTED:yolo_world_v8s.safetensors}}'
max_epochs = 2

model = dict(partial_checkpoint=True)
loader = dict(num_workers=0, persistent_workers=False, pin_memory=False)
train_dataloader = dict(
    batch_size=8,
    **loader,
    dataset=dict(data_root=data_root, pipeline=_base_.train_pipeline_stage2))
val_dataloader = dict(batch_size=8, **loader, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = val_evaluator

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
custom_hooks = [dict(type='expalign.TrainOnlyHook', modules=['text_adapter'])]
default_hooks = dict(logger=dict(interval=6), checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)
