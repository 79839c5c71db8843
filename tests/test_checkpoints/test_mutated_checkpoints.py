"""Thousands of damaged checkpoints: they load, or one line names the file; memory and time hold."""

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from expalign.checkpoints.safe_load import load_torch_file
from expalign.checkpoints.safetensors_loader import load_from_safetensors
from tests.helpers.bounded import attempts
from tests.helpers.mutations import mutated_bytes, mutated_value

COUNTS = [100, pytest.param(2000, marks=pytest.mark.slow)]
REFUSALS = ('', 'ValueError', 'LimitExceeded', 'UntrustedCheckpointError')


def training() -> dict:
    """What a training checkpoint holds, small."""
    layer = torch.nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    history = dict(values=torch.ones(4), counts=torch.ones(4), max_length=9)
    return dict(
        state_dict=dict(layer.state_dict()), optimizer=optimizer.state_dict(),
        meta=dict(epoch=1, iter=4, seed=3, cfg='a = dict(b=[1, 2])', iters_per_epoch=4,
                  dataset_meta=dict(classes=['cat', 'dog'])),
        message_hub=dict(log_scalars={'train/loss': history}, runtime_info=dict(best_score=0.5),
                         resumed_keys={'train/loss': True}),
        param_schedulers=[dict(last_step=4, T_max=8, base_values=[0.1])])


def check(folder: Path, names: list[str], load) -> None:
    """Load each file in bounded memory."""
    found = attempts(lambda name: load(str(folder / name)), names, folder)
    for name, error, message, seconds in found:
        assert error in REFUSALS, (name, error, message)
        assert not error or (name in message and '\n' not in message), (name, message)
        assert seconds < 10, name
    assert sum(bool(outcome.error) for outcome in found) > len(names) / 10


@pytest.mark.parametrize('count', COUNTS)
@pytest.mark.parametrize('kind', ['zip', 'old', 'safetensors'])
def test_bytes(tmp_path, kind, count):
    whole = tmp_path / 'whole'
    if kind == 'safetensors':
        save_file(training()['state_dict'], whole, dict(dataset_meta='{"classes": ["cat"]}',
                                                        cfg='a = dict(b=1)'))
    else:
        torch.save(training(), whole, _use_new_zipfile_serialization=kind == 'zip')
    content, rng = whole.read_bytes(), random.Random(f'{kind}{count}')
    names = [f'{number}.{"safetensors" if kind == "safetensors" else "pth"}'
             for number in range(count)]
    for name in names:
        (tmp_path / name).write_bytes(mutated_bytes(content, rng))
    check(tmp_path, names, load_from_safetensors if kind == 'safetensors' else load_torch_file)


@pytest.mark.parametrize('count', COUNTS)
def test_contents(tmp_path, count):
    rng, base = random.Random(count), training()
    names = [f'{number}.pth' for number in range(count)]
    for name in names:
        torch.save(mutated_value(base, rng), tmp_path / name)
    check(tmp_path, names, load_torch_file)
