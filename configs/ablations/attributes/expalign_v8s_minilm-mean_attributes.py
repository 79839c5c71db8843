# Table 5 on made-up attributes: the mean of the tokens.
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
    text_adapter=dict(token_pooling='mean'),
    test_cfg=dict(max_per_img=1000))
