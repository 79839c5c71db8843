"""Compiled parts: which, how often, what is said, and the same results."""

from copy import deepcopy

import pytest
import torch
from mmengine.registry import init_default_scope
from torch._dynamo.exc import BackendCompilerFailed
from torch.utils._pytree import tree_leaves

from expalign.engine import compiled
from expalign.engine.compiled import CompilationError, compile_model
from expalign.registry import HOOKS, MODELS
from tests.helpers.models import sample, tiny_detector_config, tiny_segmentation_config


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    init_default_scope('mmdet')
    return tmp_path_factory.mktemp('tokenizer')


@pytest.fixture
def calls(monkeypatch):
    """What torch.compile is asked for; it gives the method itself."""
    seen = []
    monkeypatch.setattr(torch, 'compile', lambda method, **options: (
        seen.append((method.__name__, options)), method)[1])
    return seen


@pytest.fixture
def said(monkeypatch):
    seen = []
    monkeypatch.setattr(compiled, 'print_log', lambda text, *args, **kwargs: seen.append(text))
    return seen


def build(make, folder):
    torch.manual_seed(0)
    config = make(folder)
    config['test_cfg'] = dict(
        score_thr=0.0, nms_pre=1000, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7))
    model = MODELS.build(config).eval()
    model.set_vocabulary(['a cat', 'a dog'])
    return model


@torch.no_grad()
def predict(model, images):
    return [found.pred_instances
            for found in model.predict(images, [sample() for _ in images])]


@pytest.mark.parametrize('make', [tiny_detector_config, tiny_segmentation_config])
def test_three_parts_are_compiled_once_and_another_size_is_said_once(make, folder, calls, said):
    model = build(make, folder)
    names = list(model.state_dict())
    images = torch.randn(2, 3, 64, 64)
    before = predict(model, images)
    compile_model(model, cuda_graphs=True, backend='eager')
    compile_model(model)
    assert not calls and list(model.state_dict()) == names
    for _ in range(2):
        for old, new in zip(before, predict(model, images), strict=True):
            assert torch.equal(old.bboxes, new.bboxes) and torch.equal(old.scores, new.scores)
    # Graphs are for GPUs.
    assert calls == [(name, dict(backend='eager')) for name in ('forward', 'trunk', 'maps')]
    assert not said
    for size in (32, 96, 64):
        predict(model, torch.randn(1, 3, size, size))
    assert len(calls) == 3 and len(said) == 1
    assert 'compiled for images of (2, 3, 64, 64), now there are some of (1, 3, 32, 32)' in said[0]


def test_a_copy_compiles_for_itself(folder, calls):
    model = build(tiny_detector_config, folder)
    compile_model(model)
    predict(model, torch.randn(1, 3, 64, 64))
    copy = deepcopy(model)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.zero_()
    found = predict(copy, torch.randn(1, 3, 64, 64))
    assert len(calls) == 6 and copy.backbone.forward.method.__self__ is copy.backbone
    assert (found[0].scores == 0.5).all()  # all logits are 0
    assert (predict(model, torch.randn(1, 3, 64, 64))[0].scores < 0.1).all()


def test_the_hook_finds_the_model_in_its_wrappers(folder, calls):
    model = build(tiny_detector_config, folder)
    hook = HOOKS.build(dict(type='expalign.CompileHook', backend='eager'))
    runner = torch.nn.Module()
    runner.model = torch.nn.Module()
    runner.model.module = model
    hook.before_test_epoch(runner)
    predict(model, torch.randn(1, 3, 64, 64))
    assert len(calls) == 3


def test_without_a_compiler_one_error_says_what_to_do(folder, monkeypatch):
    def fails(*args):
        raise BackendCompilerFailed(compile_model, RuntimeError('no g++'), None)
    model = build(tiny_detector_config, folder)
    compile_model(model)
    monkeypatch.setattr(torch, 'compile', lambda method, **options: fails)
    with pytest.raises(CompilationError, match=r'needs a C\+\+ compiler.*Leave compilation out'):
        predict(model, torch.randn(1, 3, 64, 64))


@pytest.mark.slow
@pytest.mark.parametrize('backend', ['aot_eager', 'inductor'])
def test_predictions_and_gradients_stay_the_same(folder, backend):
    model = build(tiny_segmentation_config, folder)
    other = deepcopy(model)
    compile_model(other, backend=backend)
    images = torch.randn(2, 3, 64, 64)
    for old, new in zip(predict(model, images), predict(other, images), strict=True):
        torch.testing.assert_close(new.scores, old.scores, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(new.bboxes, old.bboxes, rtol=1e-3, atol=1e-2)
    images = torch.randn(4, 3, 64, 64)
    gradients = []
    for one in (model, other):
        one.train()
        pyramid, hidden = one.neck.trunk(one.backbone(images))
        maps = one.bbox_head.head_module.maps(pyramid)
        sum(x.square().mean() for x in tree_leaves((hidden, maps))).backward()
        gradients.append({name: parameter.grad for name, parameter in one.named_parameters()
                          if parameter.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 100
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-3, atol=1e-5)
