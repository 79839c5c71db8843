# Class-agnostic recall of the embedded default on coco-mini val: boxes are suppressed across
# prompts, and up to 1,000 of an image are kept.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm.py',
    '../_base_/datasets/coco_mini.py',
    '../_base_/schedules/stage1_30e.py',
]

model = dict(
    test_cfg=dict(
        multi_label=False,
        nms=dict(type='nms', iou_threshold=0.7, class_agnostic=True),
        max_per_img=1000))
test_evaluator = [dict(type='expalign.ClassAgnosticRecall', ann_file=_base_.ann_file)]
