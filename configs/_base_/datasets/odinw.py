# ODinW; the sets are in expalign/datasets/odinw_sets.py.
_base_ = './evaluation.py'

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='expalign.ODinWDataset',
        table='odinw13',
        data_root='data/odinw/',
        allow_missing=False,
        prompt_overrides=True,
        pipeline=_base_.test_pipeline))
test_evaluator = dict(_delete_=True, type='expalign.ODinWMetric')
