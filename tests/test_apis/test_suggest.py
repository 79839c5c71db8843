"""The search for the wording of each class that a model understands best."""

import json
from types import SimpleNamespace

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import nn

from expalign.apis.suggest import suggest
from expalign.data_tools.own_data import OwnData
from expalign.datasets.formats.class_text import read_class_text
from tests.helpers.annotations import coco_content, write_image, write_json
from tests.helpers.mini_model import CONFIG, write_mini_weights

BOXES = {1: [10, 10, 30, 20], 2: [50, 40, 30, 30]}  # of a date and a hazelnut, x, y, w, h


class Model(nn.Module):
    """Finds the box of a class by the words that it knows, and another box by any other word."""

    def __init__(self, known):
        super().__init__()
        self.known, self.seen, self.asked = known, 0, []
        self.backbone = Backbone()

    def data_preprocessor(self, batch, training):
        return batch

    def predict(self, inputs, samples):
        self.backbone(inputs)
        sample, = samples
        self.asked.append(sample.text)
        boxes = [BOXES[self.known.get(text, 0)] if text in self.known else [0, 0, 5, 5]
                 for text in sample.text]
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor([[x, y, x + w, y + h] for x, y, w, h in boxes]).float(),
            scores=torch.full((len(boxes),), 0.25), labels=torch.arange(len(boxes)))
        return [sample]


class Backbone(nn.Module):
    runs = 0

    def forward(self, inputs):
        self.runs += 1
        return inputs,


def inferencer(known):
    def pipeline(record):
        return dict(inputs=torch.zeros(3, 8, 8), data_samples=DetDataSample(metainfo=record))
    return SimpleNamespace(model=Model(known), pipeline=pipeline)


def write_data(tmp_path, images=4, splits=('train',), names=('date', 'hazelnut')):
    found = {}
    for split in splits:
        entries = [{'id': i, 'file_name': f'{i}.jpg'} for i in range(images)]
        for entry in entries:
            write_image(tmp_path / split / entry['file_name'], seed=entry['id'])
        found[split] = (str(write_json(tmp_path / f'{split}.json', coco_content(entries, [
            {'image_id': i, 'category_id': 10 * k, 'bbox': BOXES[k], 'area': 600}
            for i in range(images) for k in (1, 2)], list(names)))), str(tmp_path / split))
    return OwnData('COCO json', found, names, '')


def test_the_best_wording_of_each_class(tmp_path):
    tool = inferencer({'fruit': 1, 'brown ball': 2, 'hazelnut': 1})
    found = suggest(write_data(tmp_path), tool, {'Hazelnut': ['brown ball']}, images=2)
    date, nut = found.classes
    assert (date.best, nut.best, found.images, found.check_images) == ('fruit', 'brown ball', 2, 2)
    assert found.check == (0.0, 1.0)  # of the two images that were not tried
    assert (date.tried[0].text, date.tried[0].ap, date.tried[0].f1) == ('fruit', 1.0, 1.0)
    assert date.tried[0].threshold == 0.125  # halfway from 0.25 down to nothing
    assert (date.boxes, {t.text: t.ap for t in date.tried}['date']) == (2, 0)
    path = tmp_path / 'prompts.json'
    path.write_text(json.dumps(found.class_texts()))
    assert read_class_text(str(path), ('date', 'hazelnut')) == [
        ['fruit', 'date'], ['brown ball', 'hazelnut']]


def test_the_image_side_runs_once_an_image(tmp_path):
    tool = inferencer({'fruit': 1})
    encoder = tool.model.backbone
    found = suggest(write_data(tmp_path), tool, images=2)
    assert (encoder.runs, tool.model.backbone) == (4, encoder)
    assert len(tool.model.asked) == 2 * found.rounds + 2 * 2  # tried, and checked with names
    assert all(len(set(prompts)) == len(prompts) for prompts in tool.model.asked)


def test_names_stay_where_nothing_is_better(tmp_path):
    tool = inferencer({'date': 1, 'fruit': 1, 'hazelnut': 2})
    found = suggest(write_data(tmp_path), tool, images=2)
    assert [entry.best for entry in found.classes] == ['date', 'hazelnut']
    assert (found.check, found.class_texts()) == (None, [['date'], ['hazelnut']])


def test_two_classes_do_not_get_one_wording(tmp_path):
    tool = inferencer({'thing': 1, 'fruit': 1})
    own = {'date': ['thing'], 'hazelnut': ['thing']}
    found = suggest(write_data(tmp_path), tool, own, images=2)
    assert [entry.best for entry in found.classes] == ['thing', 'hazelnut']


def test_the_choice_is_checked_on_other_images(tmp_path):
    data = write_data(tmp_path, splits=('train', 'val'))
    tool = inferencer({'fruit': 1})
    predict = tool.model.predict

    def only_in_train(inputs, samples):
        name = 'fruit' if 'train' in samples[0].img_path else 'date'
        tool.model.known = {name: 1}
        return predict(inputs, samples)

    tool.model.predict = only_in_train
    found = suggest(data, tool, images=2)
    assert (found.check, found.kept_names) == ((0.5, 0.0), True)
    assert [entry.best for entry in found.classes] == ['date', 'hazelnut']


def test_the_seed_chooses_the_images(tmp_path):
    data, paths = write_data(tmp_path, images=8), []
    for seed in (0, 0, 1):
        tool, seen = inferencer({}), []
        tool.pipeline = lambda record, inner=tool.pipeline, seen=seen: (
            seen.append(record['img_path']) or inner(record))
        suggest(data, tool, images=2, seed=seed)
        paths.append(seen)
    assert paths[0] == paths[1] != paths[2]


def test_faults(tmp_path):
    data = write_data(tmp_path)
    with pytest.raises(ValueError, match=r"for 'walnut', which is no class of the data; there are"):
        suggest(data, inferencer({}), {'walnut': ['nut']})
    for path in (tmp_path / 'train').iterdir():
        path.unlink()
    tool = inferencer({})
    from expalign.datasets.bad_samples import MissingImage

    def missing(record):
        raise MissingImage(f'{record["img_path"]} is missing', None)

    tool.pipeline = missing
    with pytest.raises(ValueError, match=r'none of the 2 labelled images can be read: .*missing'):
        suggest(data, tool, images=2)


def test_the_script(run_script, tmp_path, capsys):
    write_data(tmp_path / 'data', images=1, splits=('train',))
    weights = write_mini_weights(tmp_path / 'mini.pth')
    (tmp_path / 'words.json').write_text('{"date": ["medjool"]}')
    run_script('tools/suggest_prompts.py', tmp_path / 'data', '--model', CONFIG, '--weights',
               weights, '--images', 1, '--words', tmp_path / 'words.json', '--device', 'cpu',
               '--out', tmp_path / 'prompts.json', '--work-dir', tmp_path / 'work')
    out = capsys.readouterr().out
    assert 'COCO json: train 1 image, 2 classes, 2 boxes' in out
    assert 'medjool' in out and 'date, 1 boxes' in out and '1 images (seed 0)' in out
    assert 'Loads checkpoint' not in out and 'nan' not in out
    assert 'no wording finds date, hazelnut (AP below 0.1): train on the data instead' in out
    assert len(read_class_text(str(tmp_path / 'prompts.json'), ('date', 'hazelnut'))) == 2
    with pytest.raises(ValueError, match=r"train\.json' is the file to read"):
        run_script('tools/suggest_prompts.py', tmp_path / 'data', '--out',
                   tmp_path / 'data/train.json', '--work-dir', tmp_path / 'work')
    (tmp_path / 'words.json').write_text('["date"]')
    with pytest.raises(ValueError, match=r"words\.json' must be JSON of the form"):
        run_script('tools/suggest_prompts.py', tmp_path / 'data', '--words',
                   tmp_path / 'words.json', '--work-dir', tmp_path / 'work')
