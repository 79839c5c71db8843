"""One state of an image side and shipped parts."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from expalign.checkpoints.assemble import assemble, read_text_side

COEFFS = 'bbox_head.head_module.coeff_branches.0.w'
PROTOTYPES = 'bbox_head.head_module.prototype_branch.w'


@pytest.fixture
def files(tmp_path):
    """The image side, a text side and mask branches."""
    contents = dict(
        image={'backbone.w': torch.ones(2), 'text_adapter.old': torch.zeros(1),
               PROTOTYPES: torch.zeros(1), 'neck.n': torch.tensor(3)},
        text={'text_adapter.w': torch.full((2,), 5.0).half()},
        masks={COEFFS: torch.full((1,), 6.0).half(), PROTOTYPES: torch.full((1,), 7.0).half()})
    paths = {name: tmp_path / f'{name}.safetensors' for name in contents}
    for name, path in paths.items():
        save_file(contents[name], path, {'licence': f'that of {name}'})
    return paths


def test_parts_replace_those_of_the_image_weights(files, tmp_path):
    out = tmp_path / 'all.safetensors'
    state = assemble(files['image'], [files['text'], files['masks']], out)
    assert sorted(state) == sorted(
        ['backbone.w', 'neck.n', 'text_adapter.w', COEFFS, PROTOTYPES])
    assert state['text_adapter.w'].dtype == torch.float32
    assert [state[name].tolist() for name in ('text_adapter.w', COEFFS, PROTOTYPES)] == [
        [5, 5], [6], [7]]
    assert state['neck.n'].dtype == torch.int64
    assert sorted(load_file(out)) == sorted(state)
    with safe_open(out, 'pt') as file:
        assert file.metadata() == {
            'image_side.licence': 'that of image', 'text.licence': 'that of text',
            'masks.licence': 'that of masks'}


def test_what_no_part_has_stays(files):
    state = assemble(files['image'], files['text'])
    assert state[PROTOTYPES].tolist() == [0]
    assert 'text_adapter.old' not in state


def test_files_of_the_wrong_kind_are_errors(files, tmp_path):
    with pytest.raises(ValueError, match=r"image\.safetensors is not a part of a detector: it has "
                                         "'backbone.w', and all its names must start with one of "
                                         r'text_adapter\., bbox_head'):
        assemble(files['image'], files['image'])
    with pytest.raises(ValueError, match='has no image side'):
        assemble(files['text'], files['text'])
    with pytest.raises(ValueError, match=r"text\.safetensors and .*again\.safetensors both have "
                                         "'text_adapter.w'"):
        again = files['text'].rename(tmp_path / 'again.safetensors')
        save_file(load_file(again), files['text'])
        assemble(files['image'], [files['text'], files['masks'], again])
    with pytest.raises(FileNotFoundError, match=r'absent\.safetensors'):
        assemble(files['image'], [files['masks'], tmp_path / 'absent.safetensors'])


def test_a_text_side_by_the_names_of_the_adapter(files):
    state, header = read_text_side(files['text'])
    assert header['licence'] == 'that of text'
    assert list(state) == ['w'] and state['w'].dtype == torch.float32
    assert torch.equal(state['w'], torch.full((2,), 5.0))
