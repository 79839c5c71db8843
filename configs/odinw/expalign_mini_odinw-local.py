# The small model on the three sets of $EXPALIGN_DATA/odinw (flat folders).
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_mini.py',
    '../_base_/datasets/mini_detection.py',
]

train_dataloader = None
val_cfg = dict(type='mmengine.ValLoop')
test_cfg = dict(type='mmengine.TestLoop')
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='expalign.ODinWDataset',
        table='local',
        data_root='{{$EXPALIGN_DATA:data}}/odinw/',
        pipeline=_base_.test_pipeline))
test_evaluator = dict(_delete_=True, type='expalign.ODinWMetric')
