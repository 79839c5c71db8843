# Table 5 in miniature: the sentence vector alone.
_base_ = './expalign_v8s_minilm_coco-mini.py'

model = dict(text_adapter=dict(token_pooling='eot'))
