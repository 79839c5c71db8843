"""GACO's gradients, degenerate maps and batches, precision and memory."""

import pytest
import torch

from expalign.models.losses import geometry_aware_consistency
from tests.test_models.test_losses.gaco_cases import case, with_outlier
from tests.test_models.test_losses.largest_result import LargestResult


@pytest.mark.parametrize('options', [
    {}, dict(clip=0.7), dict(stats='prompt'), dict(stats='prompt', clip=0.7, eps=1e-3),
    dict(normalize=False, clip=1.0), dict(norm_scope='batch', beta=2.0, clip=1.0)])
def test_gradcheck(options):
    eam, masks, prompt_masks = case(size=(7, 7))
    masks[:, 2, 0, 0] = True  # a prompt of a single cell
    assert torch.autograd.gradcheck(
        lambda x: geometry_aware_consistency(x, masks, prompt_masks, **options),
        eam.requires_grad_())


def test_detached_advantage_is_a_constant():
    eam, masks, _ = case(padded=0)
    leaf = eam.clone().requires_grad_()
    attached = geometry_aware_consistency(leaf, masks, clip=1.0, normalize=False)
    loss = geometry_aware_consistency(
        leaf, masks, clip=1.0, normalize=False, detach_advantage=True)
    torch.testing.assert_close(loss, attached)
    loss.backward()
    # d(-sum A log P / n) = (P sum A - A) / n
    advantage = torch.zeros_like(eam)
    for image in range(2):
        rewards = eam[image][masks[image]].sigmoid()
        advantage[image][masks[image]] = (
            (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-6)).clamp(-1, 1)
    probs = eam.flatten(1).softmax(1).view_as(eam)
    expected = (probs * advantage.sum((1, 2, 3), keepdim=True) - advantage) / masks.sum()
    torch.testing.assert_close(leaf.grad, expected)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize('stats', ['image', 'prompt'])
@pytest.mark.parametrize('value', [0.0, 0.3, -7.0])
def test_flat_maps_have_no_loss_and_no_gradient(dtype, stats, value):
    _, masks, prompt_masks = case()
    eam = torch.full(masks.shape, value, dtype=dtype, requires_grad=True)
    loss = geometry_aware_consistency(eam, masks, prompt_masks, stats=stats)
    assert loss.item() == 0
    loss.backward()
    assert not eam.grad.any()


@pytest.mark.parametrize('stats', ['image', 'prompt'])
def test_one_positive_cell(stats):
    eam, masks, prompt_masks = case()
    masks[:] = False
    masks[0, 1, 2, 3] = True
    eam.requires_grad_()
    loss = geometry_aware_consistency(eam, masks, prompt_masks, stats=stats)
    assert loss.item() == 0
    loss.backward()
    assert not eam.grad.any()


@pytest.mark.parametrize('empty', ['no positives', 'all padded'])
def test_nothing_to_learn_is_zero_with_a_graph(empty):
    eam, masks, prompt_masks = case(dtype=torch.float32)
    if empty == 'no positives':
        masks[:] = False
    else:
        prompt_masks[:] = False
    eam.requires_grad_()
    for stats in ('image', 'prompt'):
        loss = geometry_aware_consistency(eam, masks, prompt_masks, stats=stats)
        assert loss.item() == 0 and loss.requires_grad
        loss.backward()
        assert not eam.grad.any()


def test_an_image_without_positives_changes_nothing():
    eam, masks, prompt_masks = case()
    masks[1] = False
    alone = geometry_aware_consistency(eam[:1], masks[:1], prompt_masks[:1], clip=1.0)
    leaf = eam.requires_grad_()
    loss = geometry_aware_consistency(leaf, masks, prompt_masks, clip=1.0)
    torch.testing.assert_close(loss, alone)
    loss.backward()
    assert leaf.grad[0].any() and not leaf.grad[1].any()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('clip', [5.0, 1.0])
def test_low_precision_inputs_equal_float64(dtype, clip):
    eam, masks, prompt_masks = case(prompts=20, size=(40, 40), dtype=dtype)
    masks[:, 1, 5:35, 5:35] = True
    eam = with_outlier(eam, masks)
    low = eam.clone().requires_grad_()
    exact = eam.double().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = geometry_aware_consistency(low, masks, prompt_masks, clip=clip)
    expected = geometry_aware_consistency(exact, masks, prompt_masks, clip=clip)
    assert loss.dtype == torch.float32 and expected.dtype == torch.float64
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    loss.backward()
    expected.backward()
    # The gradient is rounded once, when it is handed back (in float16 at 6e-8 at the least).
    torch.testing.assert_close(
        low.grad.double(), exact.grad, rtol=torch.finfo(dtype).eps,
        atol=1e-3 * exact.grad.abs().max().item())


@pytest.mark.parametrize('all_positive', [False, True])
def test_temporaries_are_at_most_twice_the_map(all_positive):
    eam, masks, prompt_masks = case(size=(20, 20), dtype=torch.float32)
    masks |= all_positive
    with LargestResult() as largest:
        geometry_aware_consistency(eam.requires_grad_(), masks, prompt_masks).backward()
    assert 4 * eam.numel() <= largest.bytes <= 8 * eam.numel()


def test_arguments_are_checked():
    eam, masks, _ = case()
    with pytest.raises(ValueError, match=r"stats must be one of \('image', 'prompt'\), got 'all'"):
        geometry_aware_consistency(eam, masks, stats='all')
    with pytest.raises(ValueError, match='norm_scope must be one of'):
        geometry_aware_consistency(eam, masks, norm_scope='prompt')
    with pytest.raises(ValueError, match='clip bounds an absolute value'):
        geometry_aware_consistency(eam, masks, clip=0.0)
    with pytest.raises(ValueError, match=r'masks must be \(2, 4, 8, 9\) .* got \(2, 4, 8, 8\)'):
        geometry_aware_consistency(eam, masks[..., 1:])
    with pytest.raises(ValueError, match=r'eam must be \(B, K, H, W\), got \(4, 8, 9\)'):
        geometry_aware_consistency(eam[0], masks[0])
