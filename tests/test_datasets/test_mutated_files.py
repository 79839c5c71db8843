"""Annotation files with one small fault: training, testing and check_dataset agree on them.

Whatever the fault, training either uses the file or says what is wrong with it, by the file's name;
check_dataset never fails, and what it calls clean trains with every instance that it counts.
Every mutation is seeded by its number, which the assertions show.
"""

import gc
import json
import random
import resource
import time
from pathlib import Path

import cv2
import pytest
from mmengine.registry import DATASETS

from expalign.data_tools.checks.check import SourceCheck
from expalign.data_tools.checks.sources import sources_of_split
from expalign.evaluation.coco_ground_truth import CocoGroundTruth
from tests.helpers.file_mutations import mutate_bytes, mutate_value
from tests.helpers.sources import POLYGONS, RLE, coco_source, mdetr_source, odvg_source, refs_source

SECONDS, KIBIBYTES = 10, 2**20
PIPELINE = [dict(type='expalign.LoadImageFromFile'), dict(type='expalign.LoadInstances'),
            dict(type='expalign.SamplePrompts'), dict(type='expalign.PackInstances')]
ERRORS = (ValueError, OSError, RuntimeError, TypeError)


def lvis_source(folder):
    config = coco_source(folder)
    path = Path(config['ann_file'])
    content = json.loads(path.read_text())
    for image in content['images']:
        image.update(neg_category_ids=[3], not_exhaustive_category_ids=[])
    path.write_text(json.dumps(content))
    classes = ('red box', 'blue box', 'green box')
    return config | dict(type='expalign.LVISV1Dataset', metainfo=dict(classes=classes))


def with_rle(folder):
    config = coco_source(folder)
    path = Path(config['ann_file'])
    content = json.loads(path.read_text())
    content['annotations'][1].update(segmentation=RLE, bbox=[5, 0, 10, 40])
    path.write_text(json.dumps(content))
    return config


def with_polygons(folder):
    config = odvg_source(folder)
    path = folder / config['ann_file']
    path.write_text(path.read_text().replace(json.dumps(RLE), json.dumps(POLYGONS)))
    return config


SOURCES = {'coco': with_rle, 'lvis': lvis_source, 'odvg': with_polygons, 'mdetr': mdetr_source,
           'refs': refs_source}


@pytest.fixture(autouse=True)
def small_heap():
    """mmengine's data sets collect garbage when they are built, which takes long in a full heap."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Case:
    """A small data set whose annotation file is mutated again and again."""

    def __init__(self, kind, folder):
        self.folder = folder
        self.config = SOURCES[kind](folder)
        for number, image in enumerate(sorted(folder.glob('*.png'))):
            pixels = cv2.imread(str(image))
            pixels[0, 0] = number  # no two have the same content
            cv2.imwrite(str(image), pixels)
        if kind == 'refs':  # the references, not the objects
            refs = [dict(ref_id=i, ann_id=i, image_id=i // 2, split='train',
                         sentences=[dict(raw=f'box {i}')]) for i in range(4)]
            (folder / 'refs.json').write_text(json.dumps(refs))
            self.config['refs_file'] = 'refs.json'
            self.path = folder / 'refs.json'
        else:
            self.path = folder / Path(self.config['ann_file']).name
        text = self.path.read_text()
        self.lines = text.splitlines() if kind == 'odvg' else [text]

    def mutate(self, number):
        rng = random.Random(number)
        content = mutate_value([json.loads(line) for line in self.lines], rng)
        text = '\n'.join(map(json.dumps, content)).encode()
        self.path.write_bytes(mutate_bytes(text, rng) if rng.random() < 0.2 else text)

    def check(self):
        """Whether check_dataset calls it clean, and the instances that it counts."""
        cfg = dict(train_dataloader=dict(dataset=self.config | dict(pipeline=PIPELINE)))
        source, = sources_of_split(cfg, 'train')
        findings = SourceCheck(source, 'train', {}, workers=1).run()
        assert findings.report()
        facts = findings.facts
        return findings.clean, facts['instances'] + facts['crowd or ignored annotations']

    def train(self):
        """The number of instances in an epoch; images are left out as in training."""
        dataset = DATASETS.build(self.config | dict(pipeline=PIPELINE))
        samples = [dataset.prepare_data(i) for i in range(len(dataset))]
        packed = [sample['data_samples'] for sample in samples if sample is not None]
        count = sum(len(x.gt_instances) + len(x.ignored_instances) for x in packed)
        return count if not len(dataset.bad_images) else -1

    def test(self):
        dataset = DATASETS.build(self.config | dict(pipeline=PIPELINE[:2], test_mode=True))
        count = sum(len(dataset[i]['gt_bboxes']) for i in range(len(dataset)))
        if self.config['type'] == 'expalign.TextCocoDataset':
            CocoGroundTruth(str(self.path), masks=True)
        return count


def outcome(action, folder, number):
    """What ``action`` gives; None if it ends in an error for people, with a file's name."""
    started = time.process_time()
    try:
        return action()
    except ERRORS as error:
        assert not isinstance(error, UnicodeError | RecursionError | json.JSONDecodeError), number
        assert str(folder) in str(error), (number, repr(error))
        assert len(str(error)) < 20_000, number
        return None
    finally:
        assert time.process_time() - started < SECONDS, number


def run(kind, folder, numbers):
    case, refused = Case(kind, folder), 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in numbers:
        case.mutate(number)
        clean, counted = case.check()
        trained = outcome(case.train, folder, number)
        tested = outcome(case.test, folder, number)
        if clean:
            assert trained == counted, (number, trained, counted)
            assert tested is not None, number
        refused += not clean
    assert 0.05 < refused / len(numbers) < 0.98
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KIBIBYTES


@pytest.mark.parametrize('kind', SOURCES)
def test_a_few_mutations(kind, tmp_path):
    run(kind, tmp_path, range(100))


@pytest.mark.slow
@pytest.mark.parametrize('kind', SOURCES)
def test_many_mutations(kind, tmp_path):
    run(kind, tmp_path, range(100, 2100))
