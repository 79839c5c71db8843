"""Counters end as they would one by one, whatever happens inside."""

import pytest
import torch
from torch import nn

from expalign.models.utils.norm_counts import counted_together, counting_norms
from tests.helpers.dispatch_counts import count


def model():
    return nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2, momentum=None),
        nn.BatchNorm2d(2, track_running_stats=False), nn.BatchNorm2d(2))


def test_counters():
    net = model()
    net[4].eval()
    norms = counting_norms(net)
    assert norms == [net[1], net[4]]
    for _ in range(3):
        with counted_together(norms):
            net(torch.randn(2, 1, 3, 3))
    assert [int(net[i].num_batches_tracked) for i in (1, 2, 4)] == [3, 3, 0]
    assert '1.num_batches_tracked' in net.state_dict()
    with pytest.raises(RuntimeError), counted_together(norms):
        net(torch.randn(2, 5, 3, 3))
    assert int(net[1].num_batches_tracked) == 3


def test_one_operation():
    net = nn.Sequential(*[nn.BatchNorm2d(1) for _ in range(5)])

    def call():
        with counted_together(counting_norms(net)):
            net(torch.randn(2, 1, 3, 3))

    operations = count(call).operations
    assert operations['_foreach_add_'] == 1 and 'add_' not in operations
