# LVIS v1 minival (the part of val whose images are COCO's val2017) at 640 px, for evaluation:
# boxes, by the fixed and the standard protocol.
_base_ = './coco_detection.py'

# Of an image the 1,000 best boxes are handed on; the standard protocol takes 300 of them. The
# vocabulary is encoded once and kept for later runs.
many_prompts = dict(
    test_cfg=dict(max_per_img=1000), text_encoder=dict(cache_dir='work_dirs/text_cache'))


train_dataloader = None

val_dataloader = dict(
    dataset=dict(
        type='expalign.LVISV1Dataset',
        data_root='data/',
        ann_file='lvis/lvis_v1_minival.json',
        data_prefix=dict(img='coco/')))
test_dataloader = val_dataloader

val_evaluator = [
    dict(
        type='expalign.LVISMetric',
        ann_file='data/lvis/lvis_v1_minival.json',
        split='minival',
        metric='bbox',
        protocol=protocol) for protocol in ('fixed', 'standard')]
test_evaluator = val_evaluator

val_cfg = dict(type='mmengine.ValLoop')
test_cfg = dict(type='mmengine.TestLoop')
