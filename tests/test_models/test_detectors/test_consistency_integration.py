"""The detector's consistency terms: names, maps they read, scale beside the detection losses."""

import pytest
import torch

from expalign.models.detectors import expalign
from expalign.models.losses import ConsistencyRegularizer
from expalign.registry import MODELS
from expalign.structures import prompts
from tests.helpers.models import sample, tiny_detector_config


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    config = tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))
    config.consistency = dict(
        type='expalign.ConsistencyRegularizer', sem=dict(loss_weight=0.5),
        geo=dict(loss_weight=1.0, clip=0.5))
    return config


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    model = MODELS.build(config)
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight, std=0.1)
    return model


def image():
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def samples(number):
    return [sample(['cat', 'a dog', 'owl'], boxes=[(4, 4, 40, 40), (20, 30, 60, 62)],
                   labels=[0, 2]) for _ in range(number)]


def test_terms_are_added_and_trained(model):
    model.train()
    losses = model.loss(image().expand(2, -1, -1, -1), samples(2))
    assert set(losses) == {'loss_cls', 'loss_bbox', 'loss_dfl', 'loss_sem', 'loss_geo'}
    (losses['loss_sem'] + losses['loss_geo']).backward()
    for name, parameter in model.named_parameters():
        if name.startswith(('neck.embed_branches', 'text_adapter.ffn.w3')):
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        if name.startswith('bbox_head'):  # scale and bias of the logits have no part in it
            assert parameter.grad is None, name


def test_terms_read_the_raw_maps(model):
    model.eval()
    data, boxes = samples(1), torch.tensor([[4.0, 4, 40, 40], [20, 30, 60, 62]])
    neck_out = model.extract_feat(image(), model._encode([data[0].text], data))
    expected = model.consistency(
        neck_out.eams, torch.ones(1, 3, dtype=torch.bool), [data[0].gt_instances], (64, 64))
    assert torch.equal(data[0].gt_instances.bboxes, boxes)
    losses = model.loss(image(), data)
    for name, term in expected.items():
        torch.testing.assert_close(losses[name], term)


def test_scale_beside_the_detection_losses(model, monkeypatch):
    model.eval()  # normalisation by the batch would see the copies
    one, two, four = (
        model.loss(image().expand(copies, -1, -1, -1), samples(copies)) for copies in (1, 2, 4))
    for name in two:
        torch.testing.assert_close(four[name], 2 * two[name], rtol=1e-4, atol=1e-5)
    for name in ('loss_sem', 'loss_geo'):
        assert abs(one[name]) > 1e-2
        torch.testing.assert_close(four[name], 4 * one[name], rtol=1e-4, atol=1e-5)
        shares = [(losses[name] / sum(losses[f'loss_{part}'] for part in ('cls', 'bbox', 'dfl')))
                  for losses in (two, four)]
        torch.testing.assert_close(*shares, rtol=1e-4, atol=0)
    monkeypatch.setattr(expalign, 'get_world_size', lambda: 3)
    spread = model.loss(image(), samples(1))
    for name in ('loss_sem', 'loss_geo'):
        torch.testing.assert_close(spread[name], 3 * one[name])


def test_masked_and_duplicate_prompts(model, monkeypatch):
    # A warning comes once in a process, and other tests have duplicates too.
    monkeypatch.setattr(prompts, '_warned_duplicates', set())
    model.eval()
    plain = model.loss(image(), [sample(['cat', 'dog'], labels=[1])])
    masked = model.loss(
        image(), [sample(['cat', 'owl', 'dog'], labels=[2], prompt_masks=[True, False, True])])
    with pytest.warns(UserWarning, match='duplicate prompts'):
        doubled = model.loss(image(), [sample(['cat', 'dog', 'dog'], labels=[2])])
    for name in ('loss_sem', 'loss_geo'):
        torch.testing.assert_close(masked[name], plain[name])
        torch.testing.assert_close(doubled[name], plain[name])


def test_stage_one_weights_fit(model, config):
    stage_one = MODELS.build({**config, 'consistency': None})
    assert stage_one.consistency is None and isinstance(
        model.consistency, ConsistencyRegularizer)
    model.load_state_dict(stage_one.state_dict())
    assert set(stage_one.loss(image().expand(2, -1, -1, -1), samples(2))) == {
        'loss_cls', 'loss_bbox', 'loss_dfl'}


def test_images_without_instances(model):
    empty = sample(['cat', 'dog'], boxes=[], labels=[])
    losses = model.loss(image(), [empty])
    assert losses['loss_sem'] == 0 and losses['loss_geo'] == 0
    sum(losses.values()).backward()
