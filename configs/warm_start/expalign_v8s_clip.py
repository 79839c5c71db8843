# ExpAlign on YOLO-World v2-S's image side with the text tower it was trained with: any prompt.
# Warm start: load the weights that tools/model_converters/yolo_world_to_expalign.py writes.
_base_ = [
    '../_base_/models/expalign_v8s.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/stage1_30e.py',
    '../_base_/default_runtime.py',
]
