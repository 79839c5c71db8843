"""Freezing: mode, gradients, graph, and weights that stay as they were built."""

import pytest
import torch
from torch import nn

from expalign.models.utils.freeze import FreezableModule, freeze_all_but


class Redrawn(nn.Linear):
    """A child that, like transformers' models, has an ``init_weights`` of its own."""

    def init_weights(self):
        nn.init.constant_(self.weight, 7.0)


def test_frozen_stays_in_eval_mode_without_gradients():
    parent = nn.Sequential(FreezableModule(nn.Sequential(nn.Linear(2, 2), nn.Dropout())))
    parent.train()
    assert not any(module.training for module in parent[0].modules())
    assert not any(parameter.requires_grad for parameter in parent.parameters())


def test_unfrozen_follows_its_parent():
    module = FreezableModule(nn.Sequential(nn.Linear(2, 2), nn.Dropout()).eval(), frozen=False)
    assert all(child.training for child in module.modules())
    module.eval()
    assert not any(child.training for child in module.modules())
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_grad_context_records_a_graph_only_when_it_may():
    x = torch.ones(1, 2, requires_grad=True)
    for frozen in (True, False):
        module = FreezableModule(nn.Linear(2, 2), frozen)
        with module.grad_context():
            assert module.model(x).requires_grad is not frozen
        with torch.no_grad(), module.grad_context():
            assert not module.model(x).requires_grad


def test_init_weights_leaves_loaded_weights_alone():
    child = Redrawn(2, 2)
    before = child.weight.clone()
    FreezableModule(child).init_weights()
    assert torch.equal(child.weight, before)


def branches():
    """Two parts, the first of which has a norm."""
    return nn.ModuleDict(dict(
        body=nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)),
        head=nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))))


def test_freeze_all_but_what_the_patterns_match():
    model = branches()
    parts = freeze_all_but(model, [r'head\.1\.'])
    assert parts == [model.body, model.head[0]]
    trained = [name for name, value in model.named_parameters() if value.requires_grad]
    assert trained == ['head.1.weight', 'head.1.bias']


def test_what_was_frozen_stays_frozen():
    model = branches()
    model.body.requires_grad_(False)
    with pytest.raises(ValueError, match="begins with 'body': the model has body, head; a frozen"):
        freeze_all_but(model, ['head', 'body'])
    with pytest.raises(ValueError, match="begins with 'neck'"):
        freeze_all_but(model, ['neck'])
