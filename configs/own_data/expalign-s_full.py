# Your own data, boxes: everything trained, image encoder and MiniLM at a tenth of the
# rate. For a closed list of classes; costs zero-shot ability.
_base_ = ['../_base_/models/expalign_v8s_minilm.py', '../_base_/own_data.py']
from expalign.utils.own_data_recipe import followed  # noqa: E402  (after _base_)

epochs = 80
imgsz = 640  # side of the input in pixels, a multiple of 32
batch = 8  # images of a training step; the learning rate is scaled by it
data = 'data/own/'  # has annotations/train.json and val.json, train/ and val/

model = dict(
    text_encoder=dict(frozen=False),
    known_names=None)  # every prompt passes through the text side
optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    paramwise_cfg=dict(
        custom_keys=dict(backbone=dict(lr_mult=0.1), text_encoder=dict(lr_mult=0.1))))

locals().update(followed(_base_, locals()))
