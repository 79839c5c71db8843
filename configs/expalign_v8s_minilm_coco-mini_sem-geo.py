# With both consistency losses. Other pairs of weights (Table 6 in miniature):
# --cfg-options model.consistency.sem.loss_weight=0.5 model.consistency.geo.loss_weight=0
_base_ = './expalign_v8s_minilm_coco-mini.py'

model = dict(
    consistency=dict(
        type='expalign.ConsistencyRegularizer',
        sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0)))
