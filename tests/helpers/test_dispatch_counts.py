"""The counter itself: what waits is seen, what does not is not, both passes are counted."""

import pytest
import torch

from tests.helpers.dispatch_counts import count

X = torch.arange(6.0).reshape(2, 3)
MASK = X > 2


def put() -> None:
    X.clone()[MASK] = torch.zeros(3)


@pytest.mark.parametrize(('call', 'waits'), [
    (lambda: X.sum().item(), 1), (lambda: bool(X.any()), 1), (lambda: float(X[0, 0]), 1),
    (lambda: X.nonzero(), 1), (lambda: X.unique(), 1), (lambda: X.masked_select(MASK), 1),
    (lambda: X[MASK], 1), (put, 1), (lambda: X.tolist(), 1), (lambda: X.cpu(), 1),
    (lambda: X.numpy(), 1), (lambda: torch.equal(X, X), 1),
    (lambda: torch.repeat_interleave(torch.tensor([1, 2])), 1),
    (lambda: torch.repeat_interleave(torch.tensor([1, 2]), output_size=3), 0),
    (lambda: torch.where(MASK, X, 0).sum(), 0), (lambda: X[torch.tensor([1, 0])], 0),
    (lambda: X.masked_fill(MASK, 1.0), 0), (lambda: X.topk(2).values, 0),
    (lambda: X.double().to('cpu'), 0)])
def test_waits(call, waits):
    assert count(call).waits.total() == waits


def test_operations_of_both_passes():
    leaf = X.clone().requires_grad_()
    forward = count(lambda: leaf.exp())
    assert forward.operations['exp'] == 1 and 'mul' not in forward.operations
    both = count(lambda: leaf.exp().sum().backward())
    assert both.operations['exp'] == 1 and both.operations['sum'] == 1
    assert both.operations['mul'] == 1  # the gradient of exp
    assert not both.waits
