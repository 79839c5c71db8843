# ExpAlign on YOLO-World v2-X's image side with the text tower it was trained with: any prompt.
_base_ = [
    '../_base_/models/expalign_v8x.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/stage1_30e.py',
    '../_base_/default_runtime.py',
]
