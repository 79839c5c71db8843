"""The share of prompts found in the text cache, in the lines of the training log."""

import json
from types import SimpleNamespace

import pytest
from mmengine.hooks import Hook, LoggerHook
from mmengine.registry import init_default_scope
from torch import nn

from expalign.engine.hooks import TextCacheHook
from expalign.registry import MODELS
from expalign.utils.load_config import load_config
from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import make_runner

NAME = 'text_cache_hit_rate'


class OtherPrompts(Hook):
    """Asks the encoder for prompts between the epochs, as validation does."""

    def after_train_epoch(self, runner):
        runner.model.text_encoder([f'thing {runner.epoch}', 'cat'])


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    init_default_scope('mmdet')
    return tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))


@pytest.mark.parametrize(('interval', 'expected'), [
    (1, [0.0, 1.0, 1.0, 1.0]),  # every batch has the same three prompts
    (2, [0.5, 1.0]),
    (5, [0.5, 1.0]),  # shorter epochs have a line at their end
])
def test_lines_of_a_run(config, tmp_path, monkeypatch, interval, expected):
    runner = make_runner(
        config, tmp_path / f'run_{interval}', custom_hooks=[OtherPrompts()], default_hooks=dict(
            logger=dict(type='mmengine.LoggerHook', interval=interval),
            text_cache=dict(type='expalign.TextCacheHook')))
    printed = []
    monkeypatch.setattr(runner.logger, 'info', printed.append)
    runner.train()
    (file,) = tmp_path.rglob('vis_data/2*.json')
    assert [json.loads(line)[NAME] for line in file.read_text().splitlines()] == expected
    assert [line.split(f'{NAME}: ')[1][:6] for line in printed if NAME in line] == [
        f'{rate:.4f}' for rate in expected]


def fake_runner(model, iterations, interval):
    """What the hook reads of a runner, and the last share that it has published."""
    published = {}
    return SimpleNamespace(
        model=model, published=published, train_dataloader=[None] * iterations,
        hooks=[LoggerHook(interval=interval)],
        message_hub=SimpleNamespace(update_scalar=published.__setitem__))


def shares(runner, batches):
    """What the log would show after each batch of prompts."""
    model = getattr(runner.model, 'module', runner.model)
    hook, found = TextCacheHook(), []
    hook.before_train(runner)
    for index, prompts in enumerate(batches):
        index %= len(runner.train_dataloader)
        hook.before_train_iter(runner, index)
        model.text_encoder(prompts)
        hook.after_train_iter(runner, index)
        found.append(runner.published.get(f'train/{NAME}'))
        model.text_encoder(['asked for', 'by something else', prompts[0]])
    return found


def test_counting_starts_anew_after_a_line(config):
    batches = [['cat', 'dog', 'cat'], ['dog', 'owl'], ['owl', 'red', 'cat'], ['red'], ['mat']]
    # Distinct prompts found / asked for: 0/2, 1/2, then 2/3, 1/1, then 0/1.
    runner = fake_runner(MODELS.build(config), iterations=5, interval=2)
    assert shares(runner, batches) == [0, 1 / 4, 2 / 3, 3 / 4, 0]
    # Epochs of three iterations, the last of which has no line: it counts for the next line.
    runner = fake_runner(nn.DataParallel(MODELS.build(config)), iterations=3, interval=2)
    assert shares(runner, batches) == [0, 1 / 4, 2 / 3, 3 / 4, 3 / 5]


def test_silent_without_a_cache(config):
    for changes in (dict(frozen=False), dict(cache_size=0)):
        model = MODELS.build({**config, 'text_encoder': {**config.text_encoder, **changes}})
        assert shares(fake_runner(model, 2, 1), [['cat'], ['cat']]) == [None, None]
    model = SimpleNamespace(text_encoder=nn.Identity())  # as one that looks vectors up
    assert shares(fake_runner(model, 2, 1), [['cat'], ['cat']]) == [None, None]


def test_configs_have_it():
    hooks = load_config('configs/expalign_cnxt_o365.py').default_hooks
    assert hooks.text_cache.type == 'expalign.TextCacheHook'
