"""What is said about a checkpoint that does not fit."""

import pytest
import torch
from torch import nn

from expalign.checkpoints.checkpoint import describe_mismatch, trained_encoders_left_out


def make_model(width: int = 3) -> nn.Module:
    model = nn.Module()
    model.backbone = nn.Linear(2, 2)
    model.neck = nn.BatchNorm2d(width)
    model.bbox_head = nn.Conv2d(width, 4, 1)
    model.backbone.requires_grad_(False)
    return model


def test_equal_weights_fit():
    assert describe_mismatch(make_model(), make_model().state_dict()) is None


def test_frozen_encoder_and_batch_counters_may_be_absent():
    weights = make_model().state_dict()
    for name in ('backbone.weight', 'backbone.bias', 'neck.num_batches_tracked'):
        del weights[name]
    assert describe_mismatch(make_model(), weights) is None


def test_trained_encoder_may_not_be_absent():
    model = make_model()
    weights = model.state_dict()
    del weights['backbone.weight']
    model.backbone.bias.requires_grad_(True)
    assert describe_mismatch(model, weights) == '1 missing from the checkpoint (backbone.weight)'


def test_trained_encoder_may_be_left_out_as_a_whole():
    model = make_model()
    model.backbone.requires_grad_(True)
    weights = {name: x for name, x in model.state_dict().items() if 'backbone' not in name}
    assert describe_mismatch(model, weights) is None
    assert trained_encoders_left_out(model, weights) == ['backbone']
    assert trained_encoders_left_out(make_model(), weights) == []  # it is frozen there


def test_layers_that_a_trained_encoder_keeps_may_be_absent():
    """Its unused pooler, which is in no file of what was trained."""
    model = make_model()
    model.backbone = nn.ModuleDict(dict(layer=nn.Linear(2, 2), pooler=nn.Linear(2, 2)))
    weights = {name: x for name, x in model.state_dict().items() if 'pooler' not in name}
    assert '2 missing from the checkpoint' in describe_mismatch(model, weights)
    model.backbone['pooler'].requires_grad_(False)
    assert describe_mismatch(model, weights) is None
    del weights['backbone.layer.bias']
    assert describe_mismatch(model, weights) == (
        '1 missing from the checkpoint (backbone.layer.bias)')


def test_every_kind_is_counted_and_named():
    weights = make_model(width=5).state_dict()
    weights['mask_head.weight'] = weights.pop('bbox_head.bias')
    text = describe_mismatch(make_model(), weights)
    assert text == (
        '1 missing from the checkpoint (bbox_head.bias); '
        '1 unknown to the model (mask_head.weight); '
        '5 of another shape (neck.weight (5,) instead of (3,), neck.bias (5,) instead of (3,), '
        'neck.running_mean (5,) instead of (3,), neck.running_var (5,) instead of (3,), '
        'bbox_head.weight (4, 5, 1, 1) instead of (4, 3, 1, 1))')


@pytest.mark.parametrize('count', [5, 6, 200])
def test_long_lists_are_cut(count):
    weights = make_model().state_dict() | {f'x{i}': torch.zeros(1) for i in range(count)}
    text = describe_mismatch(make_model(), weights)
    assert text.startswith(f'{count} unknown to the model (x0, x1, x2, x3, x4')
    assert text.endswith(')' if count == 5 else f'and {count - 5} more)')
