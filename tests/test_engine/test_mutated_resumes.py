"""Training states that were tampered with: resumed, or one line names the file; nothing is lost."""

import random
from copy import deepcopy
from itertools import count as counter
from pathlib import Path

import pytest
import torch

from expalign.engine.training_runner import TrainingRunner
from tests.helpers.bounded import attempts
from tests.helpers.line import Line, Numbers
from tests.helpers.mutations import VALUES, mutated_value

NUMBERS = counter()  # runs of one name share their message hub
HOSTILE = (*VALUES, torch.ones(7), 'best_x.pth', 10**15, -(10**15), dict(values=1), '{{ a }}')


def run(folder: Path, epochs: int, load_from: str | None = None) -> TrainingRunner:
    """A run that saves, validates nothing, and may be resumed."""
    runner = TrainingRunner(
        Line(), str(folder), train_dataloader=dict(
            dataset=Numbers(), batch_size=1, sampler=dict(type='DefaultSampler')),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=[dict(type='CosineAnnealingLR', T_max=3, by_epoch=True,
                              convert_to_iter_based=True)],
        load_from=load_from, resume=load_from is not None, randomness=dict(seed=0),
        default_hooks=dict(checkpoint=dict(
            type='expalign.PlainCheckpointHook', interval=1, save_best='acc', rule='greater')),
        log_level='ERROR', experiment_name=f'mutated_resumes_{next(NUMBERS)}')
    runner.train()
    return runner


@pytest.mark.parametrize('count', [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_states(tmp_path, count):
    run(tmp_path / 'first', 2)
    base = torch.load(tmp_path / 'first' / 'epoch_1.pth', weights_only=True)
    rng = random.Random(count)
    (tmp_path / 'files').mkdir()
    names = [f'{number}.pth' for number in range(count)]
    for name in names:
        state = deepcopy(base)
        for _ in range(rng.randint(1, 2)):
            state = mutated_value(state, rng, HOSTILE) or base
        torch.save(state, tmp_path / 'files' / name)
    (tmp_path / 'first' / 'precious').mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
    work = tmp_path / 'again'
    found = attempts(
        lambda name: run(work / name, 2, str(tmp_path / 'files' / name)), names, tmp_path)
    for name, error, message, seconds in found:
        assert error in ('', 'ValueError', 'LimitExceeded', 'UntrustedCheckpointError'), (
            name, error, message)
        assert not error or name in message, message
        assert seconds < 10, name
    refused = sum(bool(outcome.error) for outcome in found)
    assert count / 10 < refused < count
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items()
               if path != tmp_path)
