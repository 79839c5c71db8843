"""The averages are mmyolo's."""

import copy

import pytest
import torch
from mmyolo.models.layers import ExpMomentumEMA as Reference
from torch import nn

from expalign.models.layers import ExpMomentumEMA


@pytest.mark.parametrize('update_buffers', [True, False])
@pytest.mark.parametrize('interval', [1, 2])
def test_equals_mmyolo(update_buffers, interval):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    settings = dict(
        momentum=0.1, gamma=3, interval=interval, update_buffers=update_buffers)
    found, expected = (kind(model, **settings) for kind in (ExpMomentumEMA, Reference))
    for _ in range(5):
        model(torch.randn(8, 3)).sum()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn_like(parameter)
        for average in (found, expected):
            average.update_parameters(model)
        for name, value in expected.state_dict().items():
            assert torch.equal(found.state_dict()[name], value), name
    other = copy.deepcopy(model)
    other.load_state_dict(found.module.state_dict())
    assert not torch.equal(other[0].weight, model[0].weight)
