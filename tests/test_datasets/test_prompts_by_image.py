"""Records of expressions and captions joined by image, and the way from there to a metric."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, METRICS, DefaultScope

from expalign.datasets import PromptsByImage
from expalign.registry import MODELS
from tests.helpers.annotations import write_image
from tests.helpers.models import tiny_detector_config

CAPTIONS = {  # image -> (caption, box xywh) of every record
    'a.jpg': [('left cup', [10, 10, 20, 20]), ('right cup', [60, 10, 20, 20]),
              ('Left Cup', [60, 10, 20, 20])],
    'b.jpg': [('a dog', [5, 5, 50, 50])],
}


def write_mdetr(path, captions):
    """MDETR's form of referring expressions: an image entry for each, one box of all words."""
    content = dict(images=[], annotations=[])
    for file_name, rows in captions.items():
        for caption, box in rows:
            index = len(content['images']) + 1
            content['images'].append(dict(
                id=index, file_name=file_name, height=80, width=100, caption=caption))
            content['annotations'].append(dict(
                id=index, image_id=index, bbox=box, iscrowd=0,
                tokens_positive=[[0, len(caption)]]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def split(path, whole_caption=True):
    return dict(type='expalign.MDETRGroundingDataset', ann_file=str(path),
                data_prefix=dict(img=str(path.parent / 'images')), whole_caption=whole_caption)


def test_records_of_an_image_are_joined_and_keep_their_boxes(tmp_path):
    write_mdetr(tmp_path / 'val.json', CAPTIONS)
    dataset = PromptsByImage(dict(refcoco_val=split(tmp_path / 'val.json')), pipeline=[])
    assert len(dataset) == 2
    image = dataset[0]
    assert image['text'] == ['left cup', 'right cup', 'Left Cup']
    assert image['source'] == 'refcoco_val'
    assert image['img_path'] == str(tmp_path / 'images/a.jpg')
    assert [(item['bbox_label'], item['bbox'][0]) for item in image['instances']] == [
        (0, 10), (1, 60), (2, 60)]
    assert dataset[1]['text'] == ['a dog']


def test_splits_are_not_joined_and_some_of_them_can_be_chosen(tmp_path):
    write_mdetr(tmp_path / 'val.json', CAPTIONS)
    splits = {name: split(tmp_path / 'val.json') for name in ('testA', 'testB')}
    assert [item['source'] for item in PromptsByImage(splits, pipeline=[])] == [
        'testA', 'testA', 'testB', 'testB']
    chosen = PromptsByImage(splits, pipeline=[], only=['testB'])
    assert {item['source'] for item in chosen} == {'testB'}
    with pytest.raises(ValueError, match=r"no split \['val'\] in \['testA', 'testB'\]"):
        PromptsByImage(splits, pipeline=[], only=['val'])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'absent\.json'):
        PromptsByImage(dict(val=split(tmp_path / 'absent.json')), pipeline=[])


def test_synonyms_are_refused():
    image = dict(text=[], instances=[])
    record = dict(img_path='a.jpg', text=[['cup', 'mug']], instances=[])
    with pytest.raises(ValueError, match="image 'a.jpg' has a prompt with synonyms"):
        PromptsByImage._join(image, record)


@pytest.mark.filterwarnings('ignore:duplicate prompts')
@pytest.mark.parametrize(('path', 'key'), [
    ('configs/refcoco/expalign_cnxt_refcoco.py', 'refexp/refcoco_val_acc'),
    ('configs/flickr30k/expalign_cnxt_flickr30k.py', 'grounding/refcoco_val_R@10')])
def test_the_configs_score_every_prompt_and_encode_every_image_once(tmp_path, path, key):
    write_mdetr(tmp_path / 'val.json', CAPTIONS)
    for seed, name in enumerate(CAPTIONS):
        write_image(tmp_path / 'images' / name, seed=seed)
    cfg = Config.fromfile(path)
    settings = cfg.test_dataloader.dataset
    settings.splits = dict(refcoco_val=split(tmp_path / 'val.json'))
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(settings)
        metric = METRICS.build(cfg.test_evaluator)
        torch.manual_seed(0)
        model = MODELS.build(dict(tiny_detector_config(tmp_path), test_cfg=cfg.model.test_cfg))
    encoded = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: encoded.append(inputs[0].shape[0]))
    for sample in dataset:
        with torch.no_grad():
            predictions = model.eval().test_step(pseudo_collate([sample]))
        found = predictions[0].pred_instances
        assert set(found.labels.tolist()) == set(range(len(predictions[0].text)))
        if 'refcoco' in path:
            assert len(found) == len(predictions[0].text)
        metric.process({}, [item.to_dict() for item in predictions])
    assert sum(encoded) == len(CAPTIONS)
    assert 0 <= metric.evaluate(size=len(dataset))[key] <= 1
