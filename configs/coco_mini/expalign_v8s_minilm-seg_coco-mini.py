# Trains the mask branches of the embedded default on coco-mini's instances that have a mask;
# everything else is frozen. The variable EXPALIGN_WARM_START names the detector without masks.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm-seg.py',
    '../_base_/datasets/coco_mini_segmentation.py',
    '../_base_/schedules/stage1_30e.py',
]
load_from = '{{$EXPALIGN_WARM_START:expalign://s-boxes}}'
max_epochs = 24
warmup_epochs = 1

model = dict(
    type='expalign.PartlyTrainedDetector',
    trained=[
        r'bbox_head\.head_module\.coeff_branches',
        r'bbox_head\.head_module\.prototype_branch',
    ],
    partial_checkpoint=True)

# Boxes are not learnt here, so there is nothing to gain from mosaic.
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=_base_.train_pipeline_stage2))
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(
        type='mmengine.LinearLR',
        start_factor=1e-8,
        begin=0,
        end=warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='mmengine.CosineAnnealingLR',
        eta_min_ratio=0.01,
        begin=warmup_epochs,
        end=max_epochs,
        T_max=max_epochs - warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
default_hooks = dict(logger=dict(interval=12), checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)
