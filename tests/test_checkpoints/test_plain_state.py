"""State as plain data: what changes type, what comes back, what is refused."""

import enum
from collections import OrderedDict, defaultdict, namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from expalign.checkpoints.plain_state import history_from_plain, to_plain


class Colour(enum.IntEnum):
    RED = 3


def test_types_become_plain_and_values_stay():
    Pair = namedtuple('Pair', 'a b')
    value = dict(
        number=np.float32(0.5), flag=np.bool_(True), text=np.str_('x'), array=np.eye(2),
        path=Path('a/b'), pair=Pair(1, (2.0, None)), names={'a'}, colour=Colour.RED,
        nested=defaultdict(list, k=[np.int64(7)]), config=ConfigDict(k=1))
    plain = to_plain(value, 'state')
    assert plain == dict(
        number=0.5, flag=True, text='x', array=[[1.0, 0.0], [0.0, 1.0]], path='a/b',
        pair=(1, (2.0, None)), names={'a'}, colour=3, nested=dict(k=[7]), config=dict(k=1))
    assert type(plain['config']) is type(plain['nested']) is dict
    assert type(plain['number']) is float and type(plain['flag']) is bool
    assert type(plain['text']) is str and type(plain['colour']) is int
    assert type(plain['pair']) is tuple


def test_tensors_are_not_copied_and_order_is_kept():
    tensor = torch.zeros(2)
    plain = to_plain(OrderedDict(b=tensor, a=[tensor]), 'state')
    assert type(plain) is OrderedDict and list(plain) == ['b', 'a']
    assert plain['b'] is tensor and plain['a'][0] is tensor


def test_histories_come_back():
    history = HistoryBuffer([0.5, 1.5, 2.5], [1, 1, 2], max_length=9)
    history.update(4.0, 3)
    plain = to_plain(dict(loss=history), 'state')['loss']
    assert plain['values'].tolist() == [0.5, 1.5, 2.5, 4.0] and plain['max_length'] == 9
    back = history_from_plain(plain)
    for ours, theirs in zip(back.data, history.data, strict=True):
        assert ours.tolist() == theirs.tolist()
    # (0.5 + 1.5 + 2.5 + 4.0) / (1 + 1 + 2 + 3), mmengine's mean
    assert back.mean() == pytest.approx(8.5 / 7) and back.max_length == 9
    assert history_from_plain(3) == 3 and history_from_plain(history) is history


@pytest.mark.parametrize('value', [len, object(), torch.nn.Identity()])
def test_other_types_are_named(value):
    kind = type(value).__name__
    with pytest.raises(TypeError, match=rf"^state\['a'\]\[1\] is a {kind}, which a checkpoint"):
        to_plain(dict(a=[0, value]), 'state')
