# Parity with YOLO-World v2-S on ODinW13's thermalDogsAndPeople, split valid (41 images). The
# reference figure is for valid and test together: tools/analysis_tools/warm_start_parity.py.
_base_ = './expalign_v8s_clip-vectors_coco-mini.py'
data_root = '{{$EXPALIGN_DATA:data}}/odinw/thermalDogsAndPeople/'

test_dataloader = dict(
    dataset=dict(
        type='expalign.TextCocoDataset',
        data_root=data_root,
        ann_file='valid/annotations_without_background.json',
        data_prefix=dict(img='valid/')))
test_evaluator = dict(ann_file=data_root + 'valid/annotations_without_background.json')
