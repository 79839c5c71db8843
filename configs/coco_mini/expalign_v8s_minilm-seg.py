# The embedded default on coco-mini val: box and mask AP, false positives of absent prompts.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_v8s_minilm-seg.py',
    '../_base_/datasets/coco_mini_segmentation.py',
    '../_base_/schedules/stage1_30e.py',
]

test_evaluator = [
    _base_.test_evaluator,
    dict(type='expalign.AbsentPromptMetric', ann_file=_base_.ann_file),
]
