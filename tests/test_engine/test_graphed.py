"""Graphs of a method: inputs are copied, results overwritten, shapes and settings told apart.

A CPU has no graphs; one that runs the method again into the same places stands for them.
"""

from copy import deepcopy

import pytest
import torch
from torch.utils._pytree import tree_leaves

from expalign.engine import graphed
from expalign.engine.graphed import GraphedMethod
from tests.helpers.models import sample, tiny_segmentation_config
from tests.test_engine.test_compiled import build, folder  # noqa: F401


@pytest.fixture
def recordings(monkeypatch):
    """How many graphs were recorded."""
    seen = []

    def record(call):
        outputs = call()
        seen.append(call)

        def replay():
            for place, value in zip(tree_leaves(outputs), tree_leaves(call()), strict=True):
                if place is not None:
                    place.copy_(value)
        return replay, outputs
    monkeypatch.setattr(graphed, 'record_graph', record)
    return seen


@torch.no_grad()
def predict(model, size, images):
    pixels = torch.randn(images, 3, size, size, generator=torch.Generator().manual_seed(size))
    samples = [sample(size=size, pad=index) for index in range(images)]
    for index, one in enumerate(samples):  # frames of their own
        one.set_metainfo(dict(pad_param=(index, 0, 2 * index, 0), scale_factor=(1.0 + index, 2.0)))
    return [one.pred_instances for one in model.predict(pixels, samples)]


def test_predictions_stay_the_same(folder, recordings):  # noqa: F811
    model = build(tiny_segmentation_config, folder)
    other = deepcopy(model)
    other.bbox_head.first_attempt = GraphedMethod(other.bbox_head.first_attempt)
    for size, images, count in ((64, 2, 1), (64, 2, 1), (96, 2, 2), (64, 3, 3), (96, 2, 3)):
        for one, found in zip(
                predict(model, size, images), predict(other, size, images), strict=True):
            assert torch.equal(one.bboxes, found.bboxes) and torch.equal(one.labels, found.labels)
            assert [dict(x) for x in one.masks] == [dict(x) for x in found.masks]
        assert len(recordings) == count
    for either in (model, other):
        either.bbox_head.test_cfg.max_per_img = 5
    assert [len(one) for one in predict(other, 64, 2)] == [5, 5]
    assert len(recordings) == 4 and len(other.bbox_head.first_attempt._graphs) == 4
    assert not deepcopy(other).bbox_head.first_attempt._graphs


def double(key, x, y):
    return x * 2, y if y is None else y + key


def test_large_arguments_are_not_copied(recordings, monkeypatch):
    monkeypatch.setattr(graphed, 'LARGEST_INPUT', 8)
    method = GraphedMethod(double)
    assert method(1, torch.ones(3), None)[0].tolist() == [2.0] * 3 and not recordings
    assert method(1, torch.ones(2), None)[0].tolist() == [2.0] * 2 and len(recordings) == 1


def test_where_recording_fails_it_is_said_once(monkeypatch):
    said = []

    def fails(call):
        raise RuntimeError('operation not permitted when stream is capturing')
    monkeypatch.setattr(graphed, 'record_graph', fails)
    monkeypatch.setattr(graphed, 'print_log', lambda text, *args, **kwargs: said.append(text))
    method = GraphedMethod(double)
    for number in (1, 2):
        assert method(number, torch.ones(1), torch.zeros(1))[1].tolist() == [float(number)]
    assert said == ['no CUDA graph of double: operation not permitted when stream is capturing']


def test_inference_mode_and_gradients_may_come_and_go(recordings):
    method = GraphedMethod(double)
    with torch.inference_mode():
        assert method(1, torch.ones(2), torch.zeros(2))[1].tolist() == [1.0] * 2
    given = torch.full((2,), 3.0, requires_grad=True)
    for _ in range(2):
        found, more = method(1, given, torch.ones(2))
        assert found.tolist() == [6.0] * 2 and more.tolist() == [2.0] * 2
        assert not found.requires_grad
    assert len(recordings) == 1
