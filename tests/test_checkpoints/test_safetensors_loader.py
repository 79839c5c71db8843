"""Safetensors checkpoints through mmengine's loader."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.runner import CheckpointLoader, load_checkpoint
from safetensors.torch import save_file

from expalign.checkpoints.safetensors_loader import load_from_safetensors
from expalign.startup import checkpoint_loader as safetensors_scheme


@pytest.fixture
def checkpoint(tmp_path):
    """A file with the weights of a linear layer and a header."""
    path = tmp_path / 'a.safetensors'
    save_file({'weight': torch.ones(1, 2), 'bias': torch.full((1,), 3.0)}, path,
              {'dataset_meta': '{"classes": ["cat"]}', 'licence': 'none'})
    return str(path)


def test_loads_into_a_model(checkpoint):
    layer = torch.nn.Linear(2, 1)
    loaded = load_checkpoint(layer, checkpoint, map_location='cpu', strict=True)
    assert layer(torch.ones(1, 2)).item() == 5
    assert loaded['meta'] == {'dataset_meta': {'classes': ['cat']}, 'licence': 'none'}


def test_paths_are_taken(checkpoint, tmp_path):
    torch.save(dict(state_dict=torch.nn.Linear(2, 1).state_dict()), tmp_path / 'a.pth')
    for path in (Path(checkpoint), tmp_path / 'a.pth'):
        assert 'state_dict' in load_checkpoint(torch.nn.Linear(2, 1), path, map_location='cpu')


def test_scheme_is_chosen_by_the_suffix_of_local_paths():
    def is_ours(path):
        loader = CheckpointLoader._get_checkpoint_loader(path)
        return loader is safetensors_scheme.load_from_safetensors
    assert is_ours('a/b.safetensors') and is_ours('/a\nb.safetensors')
    for path in ('a.pth', 'a.safetensors.pth', 'https://host/a.safetensors'):
        assert not is_ours(path)


def test_registered_before_any_model_is_imported(checkpoint):
    # The inferencer reads weights before it builds the model.
    code = (
        'import sys, expalign\n'
        "assert not {'torch', 'mmengine', 'safetensors'} & sys.modules.keys()\n"
        'from mmengine.runner.checkpoint import _load_checkpoint\n'
        f"print(sorted(_load_checkpoint({checkpoint!r})['state_dict']))\n")
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "['bias', 'weight']"


def test_errors_name_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='checkpoint nowhere.safetensors does not exist'):
        load_from_safetensors('nowhere.safetensors')
    (tmp_path / 'b.safetensors').write_bytes(b'text')
    with pytest.raises(ValueError, match='b.safetensors is not a safetensors file'):
        load_from_safetensors(str(tmp_path / 'b.safetensors'))
    save_file({'a': torch.ones(1)}, tmp_path / 'c.safetensors', {'dataset_meta': 'cat'})
    with pytest.raises(ValueError, match="c.safetensors: 'dataset_meta' is not JSON"):
        load_from_safetensors(str(tmp_path / 'c.safetensors'))


def test_a_header_may_name_the_file_of_a_config(tmp_path):
    """Converted and published parts do; mmengine looks for a config's text under the same key."""
    save_file(dict(a=torch.zeros(1)), tmp_path / 'a.safetensors', dict(config='model-seg_x.py'))
    loaded = load_from_safetensors(str(tmp_path / 'a.safetensors'))
    assert loaded['meta']['config'] == 'model-seg_x.py'
