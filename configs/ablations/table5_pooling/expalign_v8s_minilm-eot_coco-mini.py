# Table 5 in miniature: the sentence vector alone.
_base_ = ['../../_base_/models/expalign_v8s_minilm.py', '../../_base_/coco_mini_adapter.py']

model = dict(
    type='expalign.PartlyTrainedDetector',
    trained=['text_adapter'],
    known_names=None,
    text_adapter=dict(token_pooling='eot'),
    partial_checkpoint=True)
