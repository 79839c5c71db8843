# Table 5 on made-up attributes: the sentence vector alone.
_base_ = './expalign_v8s_minilm_attributes.py'

model = dict(text_adapter=dict(token_pooling='eot'))
