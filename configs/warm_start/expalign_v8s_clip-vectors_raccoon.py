# Parity with YOLO-World v2-S on ODinW13's Raccoon (200 images).
_base_ = './expalign_v8s_clip-vectors_coco-mini.py'
data_root = '{{$EXPALIGN_DATA:data}}/odinw/Raccoon/'

test_dataloader = dict(
    dataset=dict(
        type='expalign.TextCocoDataset',
        data_root=data_root,
        ann_file='annotations.json',
        data_prefix=dict(img='images/')))
test_evaluator = dict(ann_file=data_root + 'annotations.json')
