"""Test runs with several processes: padding counts once, and a loss of a part is an error."""

import json
import os
import time

import pytest
import torch
from mmengine.evaluator import Evaluator
from torch import distributed
from torch.utils.data import DataLoader, Dataset

from expalign.evaluation import CocoMetric, LVISMetric
from tests.helpers.generated_lvis import class_names, lvis_content, predictions
from tests.helpers.processes import fork_group

NUM_IMAGES = 7


@pytest.fixture(scope='module')
def lvis(tmp_path_factory):
    """Annotation file, content and predictions of an odd number of images."""
    content = lvis_content(num_images=NUM_IMAGES)
    for annotation in content['annotations']:
        annotation['iscrowd'] = 0  # COCO's evaluator asks for it
    path = tmp_path_factory.mktemp('lvis') / 'lvis.json'
    path.write_text(json.dumps(content))
    return str(path), content, predictions(content)


class Predictions(Dataset):
    """A data set whose items are predictions already; ``dies_at`` ends the process."""

    def __init__(self, samples, dies_at=None):
        self.samples, self.dies_at = samples, dies_at

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        if index == self.dies_at:
            os._exit(3)
        return self.samples[index]


def make_evaluator(path, content) -> Evaluator:
    evaluator = Evaluator([
        LVISMetric(path, metric=['bbox', 'segm'], protocol=protocol)
        for protocol in ('fixed', 'standard')] + [CocoMetric(path, metric='bbox')])
    evaluator.dataset_meta = dict(classes=class_names(content))
    return evaluator


def run(evaluator, dataset, workers=0) -> dict:
    """As mmengine's test loop does it, with its sampler; one image a batch."""
    from mmengine.dataset import DefaultSampler
    loader = DataLoader(dataset, sampler=DefaultSampler(dataset, shuffle=False),
                        num_workers=workers, collate_fn=list)
    for batch in loader:
        for sample in batch:
            evaluator.process([sample])
    return evaluator.evaluate(len(dataset))


def member(rank, path, content, samples, folder, dies_at):
    torch.set_num_threads(1)
    dataset = Predictions(samples, dies_at)
    scores = run(make_evaluator(path, content), dataset)
    (folder / f'{rank}.json').write_text(json.dumps(scores))


def test_two_processes_and_an_odd_number_of_images(lvis, tmp_path):
    assert fork_group(member, 2, *lvis, tmp_path, None) == [0, 0]
    expected = run(make_evaluator(*lvis[:2]), Predictions(lvis[2]))
    assert len(expected) == 2 * 2 * 9 + 6
    for rank in (0, 1):
        assert json.loads((tmp_path / f'{rank}.json').read_text()) == expected


def test_a_process_that_dies_leaves_no_result(lvis, tmp_path):
    start = time.monotonic()
    # Image 3 is the second process's, in the middle of its share.
    codes = fork_group(member, 2, *lvis, tmp_path, 3)
    assert codes[1] == 3
    assert codes[0] != 0
    assert not list(tmp_path.iterdir())
    assert time.monotonic() - start < 120


def test_a_worker_that_dies_ends_the_run(lvis):
    with pytest.raises(RuntimeError, match=r'DataLoader worker .* exited unexpectedly'):
        run(make_evaluator(*lvis[:2]), Predictions(lvis[2], dies_at=4), workers=1)


def one_share_short(rank, path, content, samples, folder):
    """The second process stops early without an error of its own."""
    evaluator = make_evaluator(path, content)
    evaluator.metrics = evaluator.metrics[:1]
    for sample in samples[rank::2][:len(samples) // 2 - rank]:
        evaluator.process([sample])
    try:
        evaluator.evaluate(len(samples))
    except RuntimeError as error:
        (folder / f'{rank}.txt').write_text(str(error))
        distributed.destroy_process_group()
        os._exit(5)


def test_a_share_that_ends_early_is_no_result(lvis, tmp_path):
    codes = fork_group(one_share_short, 2, *lvis, tmp_path)
    assert codes[0] == 5
    assert 'results of 5 images, the data set has 7' in (tmp_path / '0.txt').read_text()
    assert codes[1] != 0
