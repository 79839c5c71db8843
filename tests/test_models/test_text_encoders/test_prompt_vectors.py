"""Prompts looked up in a file."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from expalign.models.text_encoders.prompt_vectors import (
    PromptVectorEncoder,
    read_prompt_vectors,
    write_prompt_vectors,
)
from expalign.registry import MODELS

NAMES = ['cat', 'red dog', 'owl']
VECTORS = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.fixture(params=['.npz', '.safetensors'])
def table(request, tmp_path):
    """A file of three prompts."""
    path = tmp_path / f'names{request.param}'
    write_prompt_vectors(path, NAMES, VECTORS)
    return str(path)


def test_file_keeps_names_and_vectors(table):
    names, vectors = read_prompt_vectors(table)
    assert names == NAMES and torch.equal(vectors, VECTORS)


def test_one_token_a_prompt(table):
    encoder = MODELS.build(dict(type='expalign.PromptVectorEncoder', vectors=table))
    tokens, masks = encoder(['owl', 'cat', 'owl'])
    assert tokens.tolist() == [[[5, 6]], [[1, 2]], [[5, 6]]]
    assert masks.tolist() == [[True]] * 3
    assert encoder(['OWL', 'Red  dog'])[0].tolist() == [[[5, 6]], [[3, 4]]]
    assert encoder.out_channels == 2
    assert encoder.token_strings(['owl', 'cat']) == [['<sentence>']] * 2
    assert not encoder.state_dict() and not list(encoder.parameters())


def test_half_precision_is_widened(tmp_path):
    np.savez(tmp_path / 'a.npz', names=np.array(['cat']), vectors=np.ones((1, 4), np.float16))
    tokens, _ = PromptVectorEncoder(str(tmp_path / 'a.npz'))(['cat'])
    assert tokens.dtype == torch.float32


def test_unknown_prompts_are_named(table):
    encoder = PromptVectorEncoder(table)
    with pytest.raises(ValueError) as error:
        encoder(['cat', 'red dogs', 'tree'])
    text = str(error.value)
    assert text.startswith(f"{table} has no vector for the prompt 'red dogs', 'tree'; it has 3")
    assert "Close to 'red dogs': 'red dog'." in text
    with pytest.raises(ValueError, match='and 2 more'):
        encoder([f'thing {number}' for number in range(10)])
    with pytest.raises(ValueError, match='empty list of prompts'):
        encoder([])


def test_files_of_another_form(tmp_path):
    with pytest.raises(FileNotFoundError, match='prompt vectors nowhere.npz do not exist'):
        PromptVectorEncoder('nowhere.npz')
    (tmp_path / 'a.txt').write_text('cat')
    with pytest.raises(ValueError, match=r'a.txt: expected .npz or .safetensors'):
        PromptVectorEncoder(str(tmp_path / 'a.txt'))
    np.savez(tmp_path / 'b.npz', names=np.array(['cat']))
    with pytest.raises(ValueError, match="b.npz: no 'vectors"):
        PromptVectorEncoder(str(tmp_path / 'b.npz'))
    np.savez(tmp_path / 'c.npz', names=np.array(['cat', 'dog']), vectors=np.ones((1, 4)))
    with pytest.raises(ValueError, match=r'2 names and vectors of shape \(1, 4\)'):
        PromptVectorEncoder(str(tmp_path / 'c.npz'))
    np.savez(tmp_path / 'd.npz', names=np.array(['cat', 'cat']), vectors=np.ones((2, 4)))
    with pytest.raises(ValueError, match="'cat' is in it more than once"):
        PromptVectorEncoder(str(tmp_path / 'd.npz'))
    save_file({'vectors': torch.ones(1, 2)}, tmp_path / 'e.safetensors')
    with pytest.raises(ValueError, match="e.safetensors: no 'names'"):
        PromptVectorEncoder(str(tmp_path / 'e.safetensors'))
    (tmp_path / 'f.safetensors').write_text('text')
    with pytest.raises(ValueError, match='f.safetensors is not a safetensors file'):
        PromptVectorEncoder(str(tmp_path / 'f.safetensors'))
    np.savez(tmp_path / 'g.npz', names=np.array(['cat', 1], object), vectors=np.ones((2, 4)))
    with pytest.raises(ValueError, match='need pickles'):  # objects would be a pickle
        PromptVectorEncoder(str(tmp_path / 'g.npz'))
