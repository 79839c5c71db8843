"""The regulariser: what it feeds to the two losses, weights, processes, padded batches."""

import pytest
import torch
from mmengine.structures import InstanceData

from expalign.models.losses import (
    ConsistencyRegularizer,
    fuse_to_coarsest,
    fuse_to_finest,
    geometry_aware_consistency,
    map_ops,
    multi_positive_info_nce,
    positive_prompts,
    target_masks,
)
from expalign.registry import MODELS
from tests.test_models.test_losses.largest_result import LargestResult

INPUT = (90, 122)  # odd at every level: 12 x 16, 6 x 8 and 3 x 4 cells rounded up
SIZES = [(12, 16), (6, 8), (3, 4)]


def batch(images=4, prompts=5, dtype=torch.float64, sizes=SIZES):
    """Maps, prompt masks (the last is padded) and instances, of which an image has none."""
    gen = torch.Generator().manual_seed(0)
    eams = [2 * torch.randn(images, prompts, *size, generator=gen, dtype=torch.float64).to(dtype)
            for size in sizes]
    prompt_masks = torch.ones(images, prompts, dtype=torch.bool)
    prompt_masks[:, -1] = False
    truth = []
    for image in range(images):
        corners = torch.rand(2 * image, 2, generator=gen) * 60
        truth.append(InstanceData(
            bboxes=torch.cat([corners, corners + 25], 1),
            labels=torch.randint(prompts - 1, (2 * image,), generator=gen)))
    return eams, prompt_masks, truth


def test_composes_the_functions():
    eams, prompt_masks, truth = batch()
    losses = MODELS.build(dict(type='expalign.ConsistencyRegularizer'))(
        eams, prompt_masks, truth, INPUT)
    sem = multi_positive_info_nce(  # 1 % of 192 cells
        fuse_to_coarsest(eams), positive_prompts(truth, 5), prompt_masks, topk=1)
    geo = geometry_aware_consistency(
        fuse_to_finest(eams), target_masks(truth, 5, INPUT, SIZES[0]), prompt_masks)
    torch.testing.assert_close(losses, dict(loss_sem=0.5 * sem, loss_geo=geo))


@pytest.mark.parametrize('sizes', [
    [(13, 17), (7, 9), (4, 5)], [(11, 6), (5, 3), (2, 1)], [(1, 1), (1, 1), (1, 1)]])
def test_maps_that_are_no_exact_halves(sizes):
    """Any sizes: the functions' composition, and a gradient for every level."""
    eams, prompt_masks, truth = batch(sizes=sizes)
    eams = [eam.requires_grad_() for eam in eams]
    # Clipping lets the geometric loss reach maps whose positive cells are few.
    losses = ConsistencyRegularizer(geo=dict(clip=0.3))(eams, prompt_masks, truth, INPUT)
    sem = multi_positive_info_nce(
        fuse_to_coarsest(eams), positive_prompts(truth, 5), prompt_masks,
        topk=max(1, sizes[0][0] * sizes[0][1] // 100))
    geo = geometry_aware_consistency(
        fuse_to_finest(eams), target_masks(truth, 5, INPUT, sizes[0]), prompt_masks, clip=0.3)
    torch.testing.assert_close(losses, dict(loss_sem=0.5 * sem, loss_geo=geo))
    sum(losses.values()).backward()
    for eam in eams:
        assert eam.grad.isfinite().all() and eam.grad[:, :-1].any()
        assert not eam.grad[:, -1].any()  # padded


@pytest.mark.parametrize(('topk_of', 'topk'), [('p3', 16), ('map', 1)])
def test_number_of_cells(topk_of, topk):
    eams, prompt_masks, truth = batch(sizes=[(40, 42), (20, 21), (10, 11)])
    regularizer = ConsistencyRegularizer(geo=None, topk_of=topk_of)
    expected = multi_positive_info_nce(
        fuse_to_coarsest(eams), positive_prompts(truth, 5), prompt_masks, topk=topk)
    loss = regularizer(eams, prompt_masks, truth, INPUT)
    torch.testing.assert_close(loss, dict(loss_sem=0.5 * expected))


def test_options_reach_the_losses():
    eams, prompt_masks, truth = batch()
    losses = ConsistencyRegularizer(
        sem=dict(loss_weight=1.0, tau=0.2), geo=dict(loss_weight=0.5, clip=0.7, stats='prompt'),
    )(eams, prompt_masks, truth, INPUT)
    sem = multi_positive_info_nce(
        fuse_to_coarsest(eams), positive_prompts(truth, 5), prompt_masks, topk=1, tau=0.2)
    geo = geometry_aware_consistency(
        fuse_to_finest(eams), target_masks(truth, 5, INPUT, SIZES[0]), prompt_masks,
        clip=0.7, stats='prompt')
    torch.testing.assert_close(losses, dict(loss_sem=sem, loss_geo=0.5 * geo))
    with pytest.raises(ValueError, match=r"topk_of must be one of \('p3', 'map'\), got 'p4'"):
        ConsistencyRegularizer(topk_of='p4')


@pytest.mark.parametrize('off', [None, dict(loss_weight=0), dict(loss_weight=None)])
def test_a_loss_without_weight_is_not_computed(off):
    arguments = (*batch(), INPUT)
    assert set(ConsistencyRegularizer(sem=off)(*arguments)) == {'loss_geo'}
    assert set(ConsistencyRegularizer(geo=off)(*arguments)) == {'loss_sem'}
    assert ConsistencyRegularizer(sem=off, geo=off)(*arguments) == {}
    assert not list(ConsistencyRegularizer().parameters())


@pytest.mark.parametrize('empty', ['no instances', 'all padded'])
def test_nothing_to_learn(empty):
    eams, prompt_masks, truth = batch(dtype=torch.float32)
    if empty == 'no instances':
        truth = [image[:0] for image in truth]
    else:
        prompt_masks[:] = False
    eams = [eam.requires_grad_() for eam in eams]
    losses = ConsistencyRegularizer()(eams, prompt_masks, truth, INPUT)
    assert losses['loss_sem'] == 0 and losses['loss_geo'] == 0
    sum(losses.values()).backward()
    assert all(eam.grad is not None and not eam.grad.any() for eam in eams)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_maps(dtype):
    eams, prompt_masks, truth = batch(dtype=dtype)
    regularizer = ConsistencyRegularizer(geo=dict(clip=1.0))
    low = [eam.clone().requires_grad_() for eam in eams]
    exact = [eam.double().requires_grad_() for eam in eams]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = regularizer(low, prompt_masks, truth, INPUT)
    expected = regularizer(exact, prompt_masks, truth, INPUT)
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name].item(), abs=1e-3)
    sum(losses.values()).backward()
    sum(expected.values()).backward()
    for a, b in zip(low, exact, strict=True):
        torch.testing.assert_close(
            a.grad.double(), b.grad, rtol=2 * torch.finfo(dtype).eps,
            atol=1e-3 * b.grad.abs().max().item())


@pytest.mark.parametrize('reduction', ['positive', 'batch'])
def test_two_processes_compute_what_one_does(monkeypatch, reduction):
    eams, prompt_masks, truth = batch()  # image 0 has no instance, image 3 the most
    regularizer = ConsistencyRegularizer(
        sem=dict(reduction=reduction), geo=dict(clip=1.0))

    def run(images):
        leaves = [eam[images].clone().requires_grad_() for eam in eams]
        losses = regularizer(leaves, prompt_masks[images], truth[images], INPUT)
        sum(losses.values()).backward()
        return losses, [leaf.grad for leaf in leaves]

    whole, gradients = run(slice(None))
    halves = [slice(0, 2), slice(2, 4)]
    counts = []
    monkeypatch.setattr(map_ops, 'get_world_size', lambda: 2)
    monkeypatch.setattr(map_ops, 'reduce_mean', lambda count: counts.append(count) or count)
    for half in halves:
        run(half)
    means = [(counts[0] + counts[2]) / 2, (counts[1] + counts[3]) / 2]  # sem, geo
    assert counts[0] != counts[2] or reduction == 'batch'
    results = []
    for half in halves:
        replies = iter(means)
        monkeypatch.setattr(map_ops, 'reduce_mean', lambda count, replies=replies: next(replies))
        results.append(run(half))
    for name in whole:
        torch.testing.assert_close((results[0][0][name] + results[1][0][name]) / 2, whole[name])
    for level, gradient in enumerate(gradients):
        # Gradients are averaged over processes.
        torch.testing.assert_close(
            torch.cat([grads[level] for _, grads in results]) / 2, gradient)


def test_a_process_without_positives_takes_part(monkeypatch):
    eams, prompt_masks, truth = batch()
    calls = []
    monkeypatch.setattr(map_ops, 'reduce_mean', lambda count: calls.append(count) or count / 2)
    monkeypatch.setattr(map_ops, 'get_world_size', lambda: 2)
    losses = ConsistencyRegularizer()(
        [eam[:1] for eam in eams], prompt_masks[:1], truth[:1], INPUT)
    assert [count.item() for count in calls] == [0, 0]
    assert losses['loss_sem'] == 0 and losses['loss_geo'] == 0


def test_temporaries_are_at_most_twice_the_finest_map():
    eams, prompt_masks, _ = batch(dtype=torch.float32, sizes=[(20, 20), (10, 10), (5, 5)])
    truth = [InstanceData(
        bboxes=torch.tensor([[0.0, 0.0, 160.0, 160.0]]).expand(300, 4),
        labels=torch.arange(300) % 5) for _ in range(4)]
    eams = [eam.requires_grad_() for eam in eams]
    with LargestResult() as largest:
        losses = ConsistencyRegularizer()(eams, prompt_masks, truth, (160, 160))
        sum(losses.values()).backward()
    assert largest.bytes <= 2 * 4 * eams[0].numel()
