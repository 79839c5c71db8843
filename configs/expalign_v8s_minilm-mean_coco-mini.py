# Table 5 in miniature: the mean of the tokens.
_base_ = './expalign_v8s_minilm_coco-mini.py'

model = dict(text_adapter=dict(token_pooling='mean'))
