# expalign_cnxt.py with masks, the form of the paper: 58.3 M parameters without the text tower.
_base_ = './expalign_cnxt.py'

model = dict(
    bbox_head=dict(
        type='expalign.ExpAlignInsHead',
        head_module=dict(type='expalign.ExpAlignInsHeadModule')),
    test_cfg=dict(mask_format='rle'))
