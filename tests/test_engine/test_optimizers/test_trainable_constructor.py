"""Which parameters the optimizer gets, and which of them decay."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.engine.optimizers import trainable_constructor
from expalign.engine.optimizers.trainable_constructor import takes_fused_form


class Model(nn.Module):
    """Every kind of parameter: matrix, kernel, bias, norm, scale; one child is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.backbone.requires_grad_(False)
        self.neck = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm(4))
        self.logit_scales = nn.ParameterList([nn.Parameter(torch.tensor(0.07))])
        self.adapter = nn.Linear(4, 4)


def groups_of(model, **paramwise) -> dict[str, dict]:
    """The optimizer's group of every parameter that it has."""
    wrapper = build_optim_wrapper(model, dict(
        type='OptimWrapper', constructor='expalign.TrainableOptimWrapperConstructor',
        optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.025), **paramwise))
    names = {id(value): name for name, value in model.named_parameters()}
    return {names[id(p)]: group for group in wrapper.optimizer.param_groups
            for p in group['params']}


@pytest.mark.parametrize('paramwise', [
    {}, dict(paramwise_cfg=dict(custom_keys={'neck': dict(lr_mult=0.5)}))])
def test_only_what_is_trained_and_decay_for_matrices_and_kernels(paramwise):
    groups = groups_of(Model(), **paramwise)
    assert {name: group['weight_decay'] for name, group in groups.items()} == {
        'neck.0.weight': 0.025, 'neck.0.bias': 0.0, 'neck.1.weight': 0.0, 'neck.1.bias': 0.0,
        'neck.2.weight': 0.0, 'neck.2.bias': 0.0, 'logit_scales.0': 0.0,
        'adapter.weight': 0.025, 'adapter.bias': 0.0}
    factor = 0.5 if paramwise else 1.0
    assert {name: group['lr'] for name, group in groups.items()} == {
        name: 0.1 * (factor if name.startswith('neck') else 1.0) for name in groups}


def test_parameters_with_the_same_settings_are_one_group():
    model = Model()
    custom = {'neck': dict(lr_mult=0.5), 'adapter': dict(lr_mult=1.0)}
    groups = build_optim_wrapper(model, dict(
        type='OptimWrapper', constructor='expalign.TrainableOptimWrapperConstructor',
        optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.025),
        paramwise_cfg=dict(custom_keys=custom))).optimizer.param_groups
    assert [(len(group['params']), group['lr'], group['weight_decay']) for group in groups] == [
        (1, 0.05, 0.025), (5, 0.05, 0.0),  # neck
        (1, 0.1, 0.0),  # the scale, whose rate the optimizer gives
        (1, 0.1, 0.025), (1, 0.1, 0.0)]  # adapter
    assert groups[0]['params'] == [model.neck[0].weight]


def test_single_frozen_parameters_are_left_out():
    model = Model()
    model.adapter.bias.requires_grad_(False)
    assert 'adapter.bias' not in groups_of(model) and 'adapter.weight' in groups_of(model)


@pytest.mark.parametrize(('optimizer', 'devices', 'fused'), [
    (dict(type='AdamW', lr=0.1), (True, True), True),
    (dict(type='torch.optim.Adam'), (True,), True),
    (dict(type='AdamW'), (True, False), False),  # something is trained on the CPU
    (dict(type='AdamW', foreach=True), (True,), False),  # the config says which form
    (dict(type='AdamW', fused=False), (True,), False),
    (dict(type='SGD'), (True,), False)])
def test_fused_form(optimizer, devices, fused):
    frozen = SimpleNamespace(requires_grad=False, is_cuda=False)
    trained = [SimpleNamespace(requires_grad=True, is_cuda=on_gpu) for on_gpu in devices]
    assert takes_fused_form(optimizer, [frozen, *trained]) == fused


def test_fused_form_reaches_the_optimizer(monkeypatch):
    """On the CPU, where torch has it, too; nothing else changes."""
    plain = groups_of(Model())
    monkeypatch.setattr(trainable_constructor, 'takes_fused_form', lambda *args: True)
    groups = groups_of(Model())
    assert all(group['fused'] for group in groups.values())
    assert not any(group['fused'] for group in plain.values())
    assert [group['weight_decay'] for group in groups.values()] == [
        group['weight_decay'] for group in plain.values()]
