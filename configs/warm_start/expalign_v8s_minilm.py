# The embedded default without masks: any text, no training. The checkpoint is made of two files
# (see docs/weights.md): YOLO-World v2-S's converted image side and the shipped text side.
_base_ = [
    '../_base_/models/expalign_v8s_minilm.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/stage1_30e.py',
    '../_base_/default_runtime.py',
]
