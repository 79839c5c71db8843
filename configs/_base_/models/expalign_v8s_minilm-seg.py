# expalign_v8s_minilm.py with masks. Its prototypes are half as wide as YOLOv8-S-seg's: they are
# trained on few photographs, and on a CPU.
_base_ = ['./expalign_v8s.py', './minilm_text.py']

model = dict(
    **_base_.minilm_text,
    bbox_head=dict(
        type='expalign.ExpAlignInsHead',
        head_module=dict(type='expalign.ExpAlignInsHeadModule', prototype_channels=64)),
    test_cfg=dict(mask_format='rle'))
