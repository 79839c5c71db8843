# YOLO-World v2-L's image side with MiniLM's tokens. The shipped text side was trained with v2-S's;
# both speak of CLIP ViT-B/32's vectors. Boxes alone. The name expalign-l has the weights.
_base_ = [
    '../_base_/models/expalign_v8l.py',
    '../_base_/models/minilm_text.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/stage1_30e.py',
    '../_base_/default_runtime.py',
]

model = dict(**_base_.minilm_text)
