# Table 6 on made-up attributes: both consistency losses. Other pairs of weights:
# --cfg-options model.consistency.sem.loss_weight=0 model.consistency.geo.loss_weight=1
_base_ = [
    '../../_base_/models/expalign_v8s_minilm.py',
    '../../_base_/datasets/attributes.py',
    '../../_base_/attribute_training.py',
]

model = dict(
    type='expalign.PartlyTrainedDetector',
    trained=_base_.trained_parts,
    known_names=None,
    text_encoder=dict(bare=False),  # function words are asked for
    consistency=dict(
        type='expalign.ConsistencyRegularizer',
        sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0)),
    test_cfg=dict(max_per_img=1000))
