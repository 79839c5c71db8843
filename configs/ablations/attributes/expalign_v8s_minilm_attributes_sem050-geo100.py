# Table 6 on made-up attributes: both consistency losses. Other pairs of weights:
# --cfg-options model.consistency.sem.loss_weight=0 model.consistency.geo.loss_weight=1
_base_ = './expalign_v8s_minilm_attributes.py'

model = dict(
    consistency=dict(
        type='expalign.ConsistencyRegularizer',
        sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0)))
