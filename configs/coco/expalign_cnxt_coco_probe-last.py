# Table 3, linear probe on COCO in its narrow sense, boxes.
# Trained: the last 1x1 convolution of the class-embedding branches, the text adapter, the logit
# scales and the biases. Everything else is frozen, norms and their statistics included.
_base_ = './expalign_cnxt_coco_probe.py'

model = dict(
    type='expalign.PartlyTrainedDetector',
    trained=[
        r'neck\.embed_branches\.\d\.2\.',
        r'text_adapter\.',
        r'bbox_head\.head_module\.logit_scales\.',
        r'bbox_head\.head_module\.biases\.',
    ])
