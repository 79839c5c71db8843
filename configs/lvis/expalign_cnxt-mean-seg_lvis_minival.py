# Box and mask AP on LVIS minival of Table 5's models with the mean of the tokens.
_base_ = './expalign_cnxt-seg_lvis_minival.py'

model = dict(text_adapter=dict(token_pooling='mean'))
