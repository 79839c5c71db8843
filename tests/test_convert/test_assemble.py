"""One state of an image side and a text side."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from expalign.convert.assemble import assemble


def test_the_text_side_replaces_that_of_the_image_weights(tmp_path):
    save_file({'backbone.w': torch.ones(2), 'text_adapter.w': torch.zeros(1),
               'neck.n': torch.tensor(3)}, tmp_path / 'image.safetensors', {'licence': 'X'})
    save_file({'text_adapter.w': torch.full((2,), 5.0).half()}, tmp_path / 'text.safetensors')
    out = tmp_path / 'all.safetensors'
    state = assemble(tmp_path / 'image.safetensors', tmp_path / 'text.safetensors', out)
    assert sorted(state) == ['backbone.w', 'neck.n', 'text_adapter.w']
    assert state['text_adapter.w'].dtype == torch.float32
    assert state['text_adapter.w'].tolist() == [5, 5]
    assert state['neck.n'].dtype == torch.int64
    assert sorted(load_file(out)) == sorted(state)


def test_files_of_the_wrong_kind_are_errors(tmp_path):
    save_file({'backbone.w': torch.ones(2)}, tmp_path / 'image.safetensors')
    save_file({'text_adapter.w': torch.ones(2)}, tmp_path / 'text.safetensors')
    with pytest.raises(ValueError, match="is not a text side: it has 'backbone.w'"):
        assemble(tmp_path / 'image.safetensors', tmp_path / 'image.safetensors')
    with pytest.raises(ValueError, match='has no image side'):
        assemble(tmp_path / 'text.safetensors', tmp_path / 'text.safetensors')
