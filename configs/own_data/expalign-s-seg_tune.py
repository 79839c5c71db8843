# Your own data, boxes and masks: a vector for each of your classes and nothing else: every other
# prompt means what it meant before.
_base_ = ['../_base_/models/expalign_v8s_minilm-seg.py', '../_base_/own_data.py']
from expalign.utils.own_data_recipe import followed  # noqa: E402  (after _base_)

epochs = 10
imgsz = 640  # side of the input in pixels, a multiple of 32
batch = 8  # images of a training step; the learning rate is scaled by it
data = 'data/own/'  # has annotations/train.json and val.json, train/ and val/
classes = ['cat', 'dog']  # those of the annotation files

model = dict(
    type='expalign.PartlyTrainedDetector',
    trained=['tuned_prompts'],
    known_classes=dict(names=classes),
    tuned_prompts=dict(type='expalign.TunedPrompts', num_prompts=len(classes), embed_dims=512))
optim_wrapper = dict(optimizer=dict(lr=0.064))

locals().update(followed(_base_, locals()))
