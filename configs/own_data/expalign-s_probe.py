# Your own data, boxes: linear probe: neck, head and text adapter are trained, the image
# encoder and MiniLM are frozen.
_base_ = ['../_base_/models/expalign_v8s_minilm.py', '../_base_/own_data.py']
from expalign.utils.own_data_recipe import followed  # noqa: E402  (after _base_)

epochs = 10
imgsz = 640  # side of the input in pixels, a multiple of 32
batch = 8  # images of a training step; the learning rate is scaled by it
data = 'data/own/'  # has annotations/train.json and val.json, train/ and val/

model = dict(
    type='expalign.PartlyTrainedDetector',
    trained=['neck', 'bbox_head', 'text_adapter'],
    known_names=None)  # every prompt passes through the adapter

locals().update(followed(_base_, locals()))
