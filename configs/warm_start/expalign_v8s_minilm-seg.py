# The embedded default: any text, boxes and masks, no training. The checkpoint is made of three
# files (see docs/weights.md): YOLO-World v2-S's converted image side, and text side and mask
# branches of projects/expalign/weights.
_base_ = [
    '../_base_/models/expalign_v8s_minilm-seg.py',
    '../_base_/datasets/coco_segmentation.py',
    '../_base_/schedules/stage1_30e.py',
    '../_base_/default_runtime.py',
]
