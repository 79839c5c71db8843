# Trains the text adapter of the embedded default on coco-mini; everything else is frozen.
_base_ = ['../_base_/models/expalign_v8s_minilm.py', '../_base_/coco_mini_adapter.py']

model = dict(
    type='expalign.PartlyTrainedDetector',
    trained=['text_adapter'],
    known_names=None,
    partial_checkpoint=True)
