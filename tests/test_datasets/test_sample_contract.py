"""The checks of the contract find what breaks it."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import DATASETS
from mmengine.structures import InstanceData

from expalign.datasets.sample_contract import ContractError, check_record, check_sample
from expalign.structures.instance_polygons import InstancePolygons
from tests.helpers.sources import coco_source


def record(**changes):
    return dict(
        img_path='a.jpg', img_id=3, height=40, width=60, source='coco', text_kind='detection',
        text=['cat', ['dog', 'puppy']],
        instances=[dict(bbox=[1, 2, 3, 4], bbox_label=1, ignore_flag=0)]) | changes


def instance(**changes):
    return [dict(bbox=[1, 2, 3, 4], bbox_label=1, ignore_flag=0) | changes]


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(img_path=None), "'img_path' must be a str"),
    (dict(source=None), "'source' must be a str"),
    (dict(height='40'), "'height' must be a Integral"),
    (dict(text=('cat', 'dog')), "'text' must be a list"),
    (dict(text=['cat', ' ']), "an entry of 'text' must be a name or a list of names, got ' '"),
    (dict(text=['cat', []]), "an entry of 'text'"),
    (dict(text_kind='video'), "'text_kind' must be one of"),
    (dict(instances=instance(bbox_label=2)), "instance 0 has label 2, 'text' 2 entries"),
    (dict(instances=instance(bbox=[3, 2, 1, 4])), r'instance 0 has the box \[3, 2, 1, 4\]'),
    (dict(instances=instance(bbox=[1, 2, float('nan'), 4])), 'instance 0 has the box'),
    (dict(true_negatives=np.array([True])), r"'true_negatives' must be \(V,\) bool"),
    (dict(true_negatives=np.array([False, True])), "'true_negatives' has an entry with an inst"),
])
def test_records(changes, message):
    check_record(record())
    with pytest.raises(ContractError, match=f"record of image '.*': {message}"):
        check_record(record(**changes))


def sample(meta=(), labels=(1, 0), boxes=((0, 0, 10, 10), (5, 5, 32, 24)), **fields):
    data_sample = DetDataSample(metainfo=dict(
        text=['cat', 'dog', 'a red bus'], prompt_masks=[True, True, False],
        positives=[True, True, False], source='coco', img_id=3, img_path='a.jpg') | dict(meta))
    data_sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32), labels=torch.tensor(labels), **fields)
    return dict(inputs=torch.zeros(3, 24, 32, dtype=torch.uint8), data_samples=data_sample)


MASKS = [[np.float32([0, 0, 9, 0, 9, 9])]] * 2


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(meta=dict(text=['cat', ['dog'], 'bus'])), "'text' must be a list of K strings"),
    (dict(meta=dict(positives=[True, True])), "'positives' has 2 entries for 3 prompts"),
    (dict(meta=dict(positives=[True, False, False])),
     r"'positives' are the prompts \[0\], the instances have the labels \[0, 1\]"),
    (dict(meta=dict(prompt_masks=[True, False, True])), 'a positive prompt is left out'),
    (dict(meta=dict(text=['cat', 'dog', 'Dog '], prompt_masks=[True] * 3)),
     r"prompts that count in the loss are there twice: \['dog'\]"),
    (dict(meta=dict(text=['cat', ' ', 'bus'])), 'a prompt that counts in the loss is blank'),
    (dict(meta=dict(source=3)), "'source' must be a string"),
    (dict(labels=(1, 3)), r'labels \[1, 3\] do not index 3 prompts'),
    (dict(boxes=((0, 0, 0, 10), (5, 5, 32, 24))), 'a box has no area'),
    (dict(boxes=((0, 0, 9, 10), (5, 5, 40, 24))), r'a box reaches out of the image of \(24, 32\)'),
    (dict(boxes=((0, 0, float('nan'), 10), (5, 5, 32, 24))), 'a box is not finite'),
    (dict(masks=InstancePolygons(MASKS, 24, 32)), "'masks' without 'has_mask'"),
    (dict(masks=InstancePolygons(MASKS, 24, 30), has_mask=torch.ones(2)),
     r'masks of \(24, 30\) on an image of \(24, 32\)'),
])
def test_samples(changes, message):
    check_sample(sample())
    check_sample(sample(masks=InstancePolygons(MASKS, 24, 32), has_mask=torch.ones(2)))
    with pytest.raises(ContractError, match=f"sample of image 'a.jpg': {message}"):
        check_sample(sample(**changes))


def test_keys_that_were_not_packed():
    bad = sample()
    bad['data_samples'].set_metainfo({})
    del bad['data_samples'].positives
    with pytest.raises(ContractError, match="positives missing: list the keys in 'meta_keys'"):
        check_sample(bad)
    check_sample(bad, training=False)


def test_a_data_set_checks_when_asked(tmp_path):
    pipeline = [dict(type='expalign.LoadImageFromFile'), dict(type='expalign.LoadInstances'),
                dict(type='expalign.SamplePrompts'),
                dict(type='expalign.PackInstances', meta_keys=('img_id', 'text'))]
    config = coco_source(tmp_path) | dict(pipeline=pipeline)
    DATASETS.build(config)[0]
    with pytest.raises(ContractError, match='prompt_masks, positives, source missing'):
        DATASETS.build(config | dict(check_samples=True))[0]
    with pytest.raises(ContractError, match="'source' must be a str|'text' must be"):
        dataset = DATASETS.build(config | dict(check_samples=True))
        dataset._text = 'red box'
        dataset.get_data_info = lambda index: record(text='red box')
        dataset[0]
