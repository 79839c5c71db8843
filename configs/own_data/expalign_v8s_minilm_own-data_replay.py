# Your own data, keeping the zero-shot ability: grounding data is mixed in, the text side and the
# image encoder are frozen, and a report compares COCO val2017 before and after. See
# docs/own_data.md.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm.py',
    '../_base_/datasets/own_data.py',
    '../_base_/schedules/probe_10e.py',
]

load_from = '{{$EXPALIGN_WARM_START:expalign://s-boxes}}'
model = dict(type='expalign.PartlyTrainedDetector', trained=['neck', 'bbox_head'])
auto_scale_lr = dict(enable=True)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='expalign.MixtureDataset',
        datasets=[
            _base_.own_set,
            dict(
                type='expalign.MDETRGroundingDataset',
                data_root='data/flickr/',
                ann_file='annotations/final_flickr_separateGT_train.json',
                data_prefix=dict(img='images/')),
        ],
        weights=[1, 0.01],  # of the images of each in an epoch: choose it so that both are as many
        pipeline=_base_.train_pipeline))
zero_shot_dataloader = dict(
    _base_.val_dataloader,
    dataset=dict(
        _base_.val_dataloader.dataset,
        type='expalign.CocoDataset',
        data_root='data/coco/',
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/')))
custom_hooks = [
    _base_.finite_loss_hook,
    _base_.ema_hook,
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=_base_.max_epochs - _base_.close_mosaic_epochs,
        switch_pipeline=_base_.train_pipeline_stage2),
    dict(
        type='expalign.ZeroShotReportHook',
        dataloader=zero_shot_dataloader,
        evaluator=dict(
            type='expalign.CocoMetric',
            ann_file='data/coco/annotations/instances_val2017.json',
            metric='bbox')),
]
