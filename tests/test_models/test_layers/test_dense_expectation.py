"""When Triton's kernels are used, and that they give what torch's operations give."""

import importlib
import logging
import os
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch

from expalign.models.layers import dense_expectation as own
from expalign.models.layers.dense_expectation import by_operations

from .test_folded_alignment import (
    SIZES,
    TERMS,
    TOKENS,
    embeddings,
    fold,
    hidden_maps,
    tokens,
)


def inputs(count=TOKENS, dtype=torch.float32):
    """Maps and a dense table; a prompt has no token."""
    feats, masks = tokens(count, torch.float32)
    masks[2] = False
    table = fold(embeddings(torch.float32), feats, masks, dense=True, terms=TERMS)
    return [x.to(dtype) for x in hidden_maps(torch.float32, images=3)], table


@pytest.fixture
def said(monkeypatch):
    """What is said, and kernels that nothing is known of."""
    monkeypatch.setattr(own, '_compared', {})
    lines = []
    monkeypatch.setattr(own, 'print_log', lambda text, *args, level: lines.append((text, level)))
    return lines


def kernels(change):
    """Kernels that find something else than the operations."""
    calls = []

    def expectation(*args):
        calls.append(args)
        return change(by_operations(*args))

    return SimpleNamespace(expectation=expectation, calls=calls)


def broken(found):
    raise RuntimeError('Failed to find C compiler')


def test_kernels_that_agree_are_compared_once_for_every_kind_of_input(said):
    maps, table = inputs()
    right = kernels(lambda found: found)
    assert own._agree(right, maps, table, 1.0) and own._agree(right, maps, table, 1.0)
    assert len(right.calls) == 1
    assert own._agree(right, [x.bfloat16() for x in maps], table, 1.0)
    assert len(right.calls) == 2 and not said


@pytest.mark.parametrize(('change', 'reason'), [
    (lambda found: (found[0], found[1] * 1.05), 'their values are not those of torch'),
    (lambda found: (found[0].flip(3), found[1]), 'their values are not those of torch'),
    (lambda found: (found[0] * float('nan'), found[1]), 'their values are not those of torch'),
    (broken, 'RuntimeError: Failed to find C compiler')])
def test_kernels_that_are_wrong_or_cannot_be_compiled_are_left_out(said, change, reason):
    maps, table = inputs()
    wrong = kernels(change)
    assert not own._agree(wrong, maps, table, 1.0) and not own._agree(wrong, maps, table, 1.0)
    assert len(wrong.calls) == 1
    assert said == [(f'alignment goes without Triton kernels: {reason}', logging.WARNING)]


def test_a_processor_needs_no_kernels(monkeypatch):
    monkeypatch.setattr(own, '_kernels', lambda: pytest.fail('asked for Triton'))
    maps, table = inputs()
    with torch.no_grad():
        weights, expected = own.dense_expectation(maps, table, 1.0)
    assert weights.shape == (3, len(SIZES), 5, TOKENS) and expected.dtype == torch.float32


@pytest.mark.skipif(os.environ.get('TRITON_INTERPRET') != '1' or not find_spec('triton'),
                    reason='needs Triton, and TRITON_INTERPRET=1 before the start')
@torch.no_grad()
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('count', [TOKENS, 1, 3])
def test_kernels_by_triton_s_interpreter(count, dtype, layout):
    """On a CPU. Triton comes with torch for GPUs, and on Linux can be installed alone."""
    module = importlib.import_module('expalign.models.layers.alignment_kernels')
    maps, table = inputs(count, dtype)
    maps = [x.to(memory_format=layout) for x in maps]
    assert module.fit(maps, table)
    exact = by_operations([x.float() for x in maps], table, 0.5)
    weights, expected = module.expectation(maps, table, 0.5)
    assert expected.dtype == dtype and weights.dtype == torch.float32
    torch.testing.assert_close(weights, exact[0], rtol=0, atol=1e-6)
    assert (weights[:, :, 2] == 0).all()
    error = (expected.float() - exact[1]).abs().max() / exact[1].abs().max()
    assert error < max(torch.finfo(dtype).eps, 1e-6)
