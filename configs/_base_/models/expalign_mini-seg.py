# expalign_mini.py with masks.
_base_ = './expalign_mini.py'

model = dict(
    bbox_head=dict(
        type='expalign.ExpAlignInsHead',
        head_module=dict(type='expalign.ExpAlignInsHeadModule')),
    test_cfg=dict(mask_format='rle'))
