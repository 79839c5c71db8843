# With both consistency losses. Other pairs of weights (Table 6 in miniature):
# --cfg-options model.consistency.sem.loss_weight=0.5 model.consistency.geo.loss_weight=0
_base_ = ['../../_base_/models/expalign_v8s_minilm.py', '../../_base_/coco_mini_adapter.py']

model = dict(
    type='expalign.PartlyTrainedDetector',
    trained=['text_adapter'],
    known_names=None,
    consistency=dict(
        type='expalign.ConsistencyRegularizer',
        sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0)),
    partial_checkpoint=True)
