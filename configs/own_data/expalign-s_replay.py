# Your own data, boxes: neck and head trained on your photographs and on the shipped
# ones, so that other prompts are found as before.
_base_ = ['../_base_/models/expalign_v8s_minilm.py', '../_base_/own_data.py']
from expalign.utils.own_data_recipe import followed  # noqa: E402  (after _base_)

epochs = 10
imgsz = 640  # side of the input in pixels, a multiple of 32
batch = 8  # images of a training step; the learning rate is scaled by it
data = 'data/own/'  # has annotations/train.json and val.json, train/ and val/

model = dict(type='expalign.PartlyTrainedDetector', trained=['neck', 'bbox_head'])
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='expalign.MixtureDataset',
        datasets=[
            _base_.own_set,
            dict(
                type='expalign.TextCocoDataset',
                data_root=_base_.shipped,
                ann_file='annotations/instances_train2017.json',
                data_prefix=dict(img='train2017/')),
        ],
        weights=[1, 1],  # of the images of each in an epoch: choose it so that both are as many
        pipeline=_base_.train_pipeline))

locals().update(followed(_base_, locals()))
