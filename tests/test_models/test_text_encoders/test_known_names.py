"""Exact vectors of known names in place of the adapter's tokens."""

import pytest
import torch

from expalign.models.text_encoders import KnownNames
from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
from expalign.models.utils.pretrained import PretrainedModelError
from expalign.registry import MODELS

SHIPPED = 'package:expalign/weights/clip_vitb32_names.safetensors'


@pytest.fixture
def known(tmp_path):
    path = tmp_path / 'names.npz'
    write_prompt_vectors(path, ['dog', 'cat'], torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    return MODELS.build(dict(type='expalign.KnownNames', vectors=str(path)))


def encode(texts):
    """Three tokens a prompt, the last one masked."""
    assert 'dog' not in texts and 'cats' not in texts
    tokens = torch.arange(len(texts) * 6.0).view(-1, 3, 2) + 10
    masks = torch.tensor([[True, True, False]]).repeat(len(texts), 1)
    return tokens * masks[..., None], masks


def test_a_known_name_has_one_token(known):
    feats, masks = known(['a fox', 'dog', 'an owl', 'cats'], encode)
    assert masks.tolist() == [
        [True, True, False], [True, False, False], [True, True, False], [True, False, False]]
    torch.testing.assert_close(feats, torch.tensor([
        [[10.0, 11], [12, 13], [0, 0]], [[0.6, 0.8], [0, 0], [0, 0]],
        [[16.0, 17], [18, 19], [0, 0]], [[0.0, 1.0], [0, 0], [0, 0]]]))


def test_names_alone_need_no_encoder(known):
    feats, masks = known(['cat', 'dog'], None)
    torch.testing.assert_close(feats, torch.tensor([[[0.0, 1.0]], [[0.6, 0.8]]]))
    assert masks.tolist() == [[True], [True]]


def test_other_prompts_are_the_encoders_own(known):
    expected = encode(['fox', 'owl'])
    for got, wanted in zip(known(['fox', 'owl'], encode), expected, strict=True):
        assert torch.equal(got, wanted)


def test_nothing_is_state_or_trained(known):
    assert not known.state_dict() and not list(known.parameters())
    assert known.knows('The Dogs') and not known.knows('hot dog')


def test_the_shipped_table():
    known = KnownNames(SHIPPED)
    assert known.vectors.shape == (1612, 512) and len(known.names) == 1612
    torch.testing.assert_close(known.vectors.norm(dim=1), torch.ones(1612))
    assert [known.table.row_of(name) for name in known.names] == list(range(1612))
    found = {prompt: known.names[known.table.row_of(prompt)] for prompt in (
        'people', 'a raccoon', 'glasses', 'Traffic-Lights', 'mice', 'scissors', 'short pants')}
    assert found == {
        'people': 'person', 'a raccoon': 'raccoon', 'glasses': 'glasses',
        'Traffic-Lights': 'traffic light', 'mice': 'mouse', 'scissors': 'scissors',
        'short pants': 'short pants'}
    assert not any(map(known.knows, ('package', 'a package', 'glass', 'short', 'red car', 'gas')))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.npz do not exist'):
        KnownNames(str(tmp_path / 'nowhere.npz'))
    with pytest.raises(PretrainedModelError, match="package 'expalign' has no 'weights/x.npz'"):
        KnownNames('package:expalign/weights/x.npz')
