"""Windows of similarity, fitted to the training data when training starts."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose

from expalign.datasets import MixtureDataset
from expalign.engine.hooks import similarity_window_hook as module
from expalign.engine.hooks.similarity_window_hook import SimilarityWindowHook, phrases_in
from tests.helpers.sources import coco_source, mdetr_source

WINDOW = dict(type='expalign.SamplePrompts', num_prompts=8, negative_vocabulary=['A boat', 'sky'],
              similarity_window=dict(quantiles=(0.1, 0.9)))


class Letters(torch.nn.Module):
    """A phrase is two tokens: nothing, and how often it has each letter."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, texts):
        self.calls += 1
        counts = [[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts]
        tokens = torch.tensor(counts, dtype=torch.float32)
        return torch.stack([0 * tokens, tokens, tokens.flip(1)], 1), torch.tensor(
            [[True, True, False]] * len(texts))


@pytest.fixture
def runner(tmp_path):
    choice = dict(type='mmengine.RandomChoice', transforms=[[WINDOW], []], prob=[0.5, 0.5])
    dataset = MixtureDataset(
        [coco_source(tmp_path), mdetr_source(tmp_path)], pipeline=[choice, WINDOW])
    model = torch.nn.Module()
    model.text_encoder = Letters()
    cfg = Config(dict(model=dict(text_encoder=dict(type='Letters', model='letters'))))
    return SimpleNamespace(
        model=model, train_dataloader=SimpleNamespace(dataset=dataset), cfg=cfg)


def test_every_phrase_of_the_data_gets_a_vector_and_the_log_says_what_passes(runner, monkeypatch):
    lines = []
    monkeypatch.setattr(module, 'print_log', lambda line, *_: lines.append(line))
    hook = SimilarityWindowHook()
    hook.before_train(runner)
    steps = list(module.prompt_steps(runner.train_dataloader.dataset))
    assert len(steps) == 2 and runner.model.text_encoder.calls == 1
    assert steps[0].window.bounds == steps[1].window.bounds
    phrases, classes = phrases_in(runner.train_dataloader.dataset.datasets)
    assert classes == ['red box', 'blue box', 'green box'] and set(classes) < set(phrases)
    steps[0].window.accepts([*phrases, 'a boat', 'sky'], phrases)  # none is unknown
    unit = [x / np.linalg.norm(x) for x in runner.model.text_encoder(
        [*phrases, 'A boat', 'sky'])[0][:, 1].numpy()]
    pairs = [unit[i] @ unit[j] for i in range(len(phrases))
             for j, other in enumerate([*phrases, 'A boat', 'sky'])
             if other in (*classes, 'A boat', 'sky') and i != j]
    assert steps[0].window.bounds == pytest.approx(np.quantile(pairs, (0.1, 0.9)), abs=2e-3)
    assert lines[0] == f'window of similarity: encoding {len(phrases) + 2} phrases'
    assert 'in the space of letters' in lines[1] and f'of {len(phrases)} positives' in lines[1]
    assert [line.split(' of the candidates pass in images of ')[1].rsplit('/')[-1]
            for line in lines[2:]] == ['coco.json', 'mdetr.json']


def test_samples_lie_in_the_window(runner):
    SimilarityWindowHook().before_train(runner)
    dataset = runner.train_dataloader.dataset
    (step,) = [s for s in dataset.pipeline.transforms if type(s).__name__ == 'SamplePrompts']
    for index in range(len(dataset)):
        record = dataset.get_data_info(index)
        labels = np.array([instance['bbox_label'] for instance in record['instances']])
        positives = {record['text'][label] for label in labels}
        text = step(dict(record, gt_bboxes_labels=labels))['text']
        negatives = [phrase for phrase in text if phrase not in positives]
        assert step.window.accepts(negatives, sorted(positives)).all()


def test_a_pipeline_that_comes_later_gets_the_same_vectors(runner):
    hook = SimilarityWindowHook()
    hook.before_train(runner)
    bounds = next(module.prompt_steps(runner.train_dataloader.dataset)).window.bounds
    runner.train_dataloader.dataset.pipeline = Compose([WINDOW])
    hook.before_train_epoch(runner)
    (step,) = module.prompt_steps(runner.train_dataloader.dataset)
    assert step.window.bounds == bounds and runner.model.text_encoder.calls == 1


def test_a_named_text_model_is_used(runner, monkeypatch):
    other, asked = Letters(), []
    monkeypatch.setattr(module, 'encoder_of', lambda model, owner: asked.append(model) or other)
    named = dict(WINDOW, similarity_window=dict(quantiles=(0, 1), text_model='some/model'))
    runner.train_dataloader.dataset.pipeline = Compose([named])
    SimilarityWindowHook().before_train(runner)
    assert asked == ['some/model'] and (other.calls, runner.model.text_encoder.calls) == (1, 0)
    # The detector's own by its name: no second copy.
    named['similarity_window']['text_model'] = 'letters'
    runner.train_dataloader.dataset.pipeline = Compose([named])
    SimilarityWindowHook().before_train(runner)
    assert asked == ['some/model'] and runner.model.text_encoder.calls == 1
