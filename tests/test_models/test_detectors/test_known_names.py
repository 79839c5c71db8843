"""A detector with a table of exact vectors: which prompts use it, and where it is reached."""

import pytest
import torch

from expalign.models.detectors.alignments import token_names
from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
from expalign.registry import MODELS
from tests.helpers.models import sample, tiny_detector_config


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """A tiny detector whose pyramid is gated, with the vectors of two names."""
    folder = tmp_path_factory.mktemp('names')
    vectors = torch.randn(2, 10, generator=torch.Generator().manual_seed(1))
    write_prompt_vectors(folder / 'names.npz', ['cat', 'dogs'], vectors)
    config = tiny_detector_config(folder)
    config.neck.inject = 'max_sigmoid'
    config.known_names = dict(type='expalign.KnownNames', vectors=str(folder / 'names.npz'))
    return config


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    return MODELS.build(config).eval()


@torch.no_grad()
def found(model, *texts):
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    result = model.predict(image, [sample(list(texts))])[0].pred_instances
    return result.bboxes, result.scores, result.labels


def test_spellings_of_a_name_score_the_same(model):
    plain = found(model, 'cat', 'red dog')
    for name in ('A Cat', 'cats', 'the  cats'):
        for got, wanted in zip(found(model, name, 'red dog'), plain, strict=True):
            assert torch.equal(got, wanted)


def test_tokens_and_gates_have_the_exact_vector(model):
    feats, masks = model._encode_text(['a red dog', 'dog', 'cat'])
    assert masks.sum(1).tolist() == [4, 1, 1]
    torch.testing.assert_close(feats[1:, 0], model.known_names.vectors[[1, 0]])
    guides = []
    model.neck.pafpn.register_forward_pre_hook(lambda _, inputs: guides.append(inputs[1]))
    found(model, 'dog', 'cat')
    torch.testing.assert_close(guides[0][0], model.known_names.vectors[[1, 0]])


def test_explanations_say_exact(model):
    assert token_names(model, ['a dog', 'red dog']) == [
        ['<exact>'], ['red', 'dog', '<sentence>']]
    masks = model._encode_text(['cat', 'a red dog'])[1]
    names = token_names(model, ['cat', 'a red dog'])
    assert [len(row) for row in names] == masks.sum(1).tolist()


def test_without_the_table_a_name_is_the_adapters(config, model):
    without = MODELS.build(dict(config, known_names=None)).eval()
    without.load_state_dict(model.state_dict())  # the same keys
    assert not torch.equal(found(model, 'cat')[1], found(without, 'cat')[1])
    for got, wanted in zip(found(model, 'owl'), found(without, 'owl'), strict=True):
        assert torch.equal(got, wanted)
    # What is kept of the last prompts is not used with another table.
    model.known_names = None
    assert torch.equal(found(model, 'owl')[1], found(without, 'owl')[1])
    assert torch.equal(found(model, 'cat')[1], found(without, 'cat')[1])


def test_an_adapter_that_names_pass_by_is_not_trained(model):
    model.train()
    images, samples = torch.randn(2, 3, 64, 64), [sample(['cat']), sample(['owl'])]
    with pytest.raises(ValueError, match='set model.known_names=None to train it, or freeze'):
        model.loss(images, samples)
    model.text_adapter.requires_grad_(False)
    sum(model.loss(images, samples).values()).backward()
    assert all(p.grad is None for p in model.text_adapter.parameters())
    assert model.neck.embed_branches[0][-1].weight.grad.abs().sum() > 0


def test_vectors_of_another_text_space(config, tmp_path):
    write_prompt_vectors(tmp_path / 'wide.npz', ['cat'], torch.ones(1, 12))
    known = dict(type='expalign.KnownNames', vectors=str(tmp_path / 'wide.npz'))
    with pytest.raises(ValueError, match='known_names are 12 wide, and the neck aligns 10'):
        MODELS.build(dict(config, known_names=known))
