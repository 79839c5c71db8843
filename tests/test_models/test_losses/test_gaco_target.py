"""GACO with a target: by hand, its gradient, invariances, precision, memory, what is logged."""

import math

import pytest
import torch

from expalign.models.losses import GACOLoss, geometry_aware_consistency, target_consistency
from tests.test_models.test_losses.gaco_cases import case, with_outlier
from tests.test_models.test_losses.largest_result import LargestResult

LN3 = math.log(3)


def row(*values):
    """One image, one prompt, one row of cells, in float64."""
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def literal(eam, masks, temperature=1.0, clip=5.0):
    """q and KL(q || P) of one image, written out; no normalisation."""
    rewards = eam[masks].sigmoid()
    advantage = (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-6)
    target = torch.zeros_like(eam)
    target[masks] = (advantage.clamp(-clip, clip) / temperature).softmax(0)
    probs = eam.flatten().softmax(0).view_as(eam)
    inside = target[masks]
    return target, probs, (inside * (inside / probs[masks]).log()).sum()


def test_two_cells_by_hand():
    # R = 3/4, 1/4; A = 1, -1; q = e^2 / (1 + e^2), 1 / (1 + e^2); P = 9/13, 1/13, 3/13.
    eam, masks = row(LN3, -LN3, 0.0), row(1, 1, 0).bool()
    first = math.exp(2) / (1 + math.exp(2))
    expected = first * math.log(first / (9 / 13)) + (1 - first) * math.log((1 - first) / (1 / 13))
    loss = target_consistency(eam, masks, normalize=False)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert target_consistency(eam, masks, normalize=False, beta=3).item() == pytest.approx(
        3 * expected, abs=1e-5)
    # Uniform for T -> infinity, the best cell for T -> 0.
    loss = target_consistency(eam, masks, normalize=False, temperature=1e9)
    assert loss.item() == pytest.approx(
        (math.log(0.5 / (9 / 13)) + math.log(0.5 / (1 / 13))) / 2, abs=1e-6)
    loss = target_consistency(eam, masks, normalize=False, temperature=1e-3)
    assert loss.item() == pytest.approx(-math.log(9 / 13), abs=1e-6)


@pytest.mark.parametrize(('temperature', 'clip'), [(1.0, 5.0), (0.3, 0.7), (2.0, 1.0)])
def test_gradient_is_p_less_q(temperature, clip):
    eam, masks, _ = case(batch=1, padded=0)
    target, probs, expected = literal(eam[0], masks[0], temperature, clip)
    leaf = eam.clone().requires_grad_()
    loss = target_consistency(
        leaf, masks, temperature=temperature, clip=clip, normalize=False)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    torch.testing.assert_close(leaf.grad[0], probs - target)
    # Every cell of another prompt and of the background is pushed down, with 1 - P(M) in all.
    outside = leaf.grad[~masks]
    assert (outside > 0).all() and (leaf.grad[0, 2] > 0).all()
    torch.testing.assert_close(outside.sum(), 1 - probs[masks[0]].sum())
    torch.testing.assert_close(leaf.grad.sum(), torch.zeros((), dtype=torch.float64))


def test_the_published_form_reaches_nothing_there():
    eam, masks, prompt_masks = case()
    leaf = eam.clone().requires_grad_()
    geometry_aware_consistency(leaf, masks, prompt_masks, normalize=False).backward()
    assert leaf.grad[~masks].abs().max() < 1e-12
    leaf = eam.clone().requires_grad_()
    target_consistency(leaf, masks, prompt_masks).backward()
    background = ~masks & prompt_masks[:, :, None, None]
    assert (leaf.grad[background] > 0).float().mean() > 0.99  # but at the abs-max
    assert not leaf.grad[~prompt_masks].any()


def test_nothing_is_left_to_learn_at_the_target():
    # Flat positive cells far above the rest: P = q = 1 / n.
    eam, masks, _ = case(batch=1, padded=0)
    eam = torch.where(masks, 40.0, -40.0).double().requires_grad_()
    loss = target_consistency(eam, masks, normalize=False)
    assert loss.item() == pytest.approx(0, abs=1e-12)
    loss.backward()
    assert eam.grad.abs().max() < 1e-12


def test_images_are_weighted_by_their_cells():
    eam, masks, prompt_masks = case()
    eam[1] *= 3
    cells = masks.flatten(1).sum(1).double()
    assert cells[0] != cells[1]
    alone = torch.stack([target_consistency(
        eam[i:i + 1], masks[i:i + 1], prompt_masks[i:i + 1]) for i in range(2)])
    together = target_consistency(eam, masks, prompt_masks)
    torch.testing.assert_close(together, (alone * cells).sum() / cells.sum())


def test_invariances():
    eam, masks, prompt_masks = case()

    def loss(maps, cells=masks, real=prompt_masks, **options):
        return target_consistency(maps, cells, real, **options)

    # To scale where the map is normalised; not to a shift, which the sigmoid of R sees.
    torch.testing.assert_close(loss(3.7 * eam), loss(eam), atol=1e-5, rtol=0)
    assert abs(loss(eam + 2.5, normalize=False) - loss(eam, normalize=False)) > 1e-3
    # To a shift where A does not count.
    torch.testing.assert_close(
        loss(eam + 2.5, normalize=False, temperature=1e12),
        loss(eam, normalize=False, temperature=1e12))
    # To the order of prompts and cells, and to what padding holds.
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        loss(eam[:, order], masks[:, order], prompt_masks[:, order]), loss(eam))
    torch.testing.assert_close(loss(eam.flip(3), masks.flip(3)), loss(eam))
    padding = eam.clone()
    padding[:, -1] = float('nan')
    torch.testing.assert_close(loss(padding), loss(eam))
    torch.testing.assert_close(
        loss(eam), loss(eam[:, :-1], masks[:, :-1], prompt_masks[:, :-1]))


@pytest.mark.parametrize('options', [
    {}, dict(stats='prompt', temperature=0.5), dict(norm_scope='batch', beta=2.0)])
def test_gradcheck_with_the_target_held(options, monkeypatch):
    eam, masks, prompt_masks = case(size=(7, 7))
    masks[:, 2, 0, 0] = True
    # Numerical gradients would move the constant target along: hold A at its first value.
    from expalign.models.losses import gaco_target
    held, standard_advantage = [], gaco_target.standard_advantage
    monkeypatch.setattr(
        gaco_target, 'standard_advantage',
        lambda *args: held[0] if held else held.append(standard_advantage(*args)) or held[0])
    assert torch.autograd.gradcheck(
        lambda x: target_consistency(x, masks, prompt_masks, **options), eam.requires_grad_())


@pytest.mark.parametrize('empty', ['no positives', 'all padded', 'an image without'])
def test_images_without_positive_cells(empty):
    eam, masks, prompt_masks = case(dtype=torch.float32)
    if empty == 'an image without':
        masks[1] = False
        alone = target_consistency(eam[:1], masks[:1], prompt_masks[:1])
    elif empty == 'no positives':
        masks[:] = False
    else:
        prompt_masks[:] = False
    leaf = eam.requires_grad_()
    loss = target_consistency(leaf, masks, prompt_masks)
    loss.backward()
    assert leaf.grad.isfinite().all() and not leaf.grad[1].any()
    if empty == 'an image without':
        torch.testing.assert_close(loss, alone)
    else:
        assert loss.item() == 0 and not leaf.grad.any()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_inputs_equal_float64(dtype):
    eam, masks, prompt_masks = case(prompts=20, size=(40, 40), dtype=dtype)
    masks[:, 1, 5:35, 5:35] = True
    eam = with_outlier(eam, masks)
    low, exact = eam.clone().requires_grad_(), eam.double().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = target_consistency(low, masks, prompt_masks)
    expected = target_consistency(exact, masks, prompt_masks)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(
        low.grad.double(), exact.grad, rtol=2 * torch.finfo(dtype).eps,
        atol=1e-3 * exact.grad.abs().max().item())


@pytest.mark.parametrize('all_positive', [False, True])
def test_temporaries_are_at_most_twice_the_map(all_positive):
    eam, masks, prompt_masks = case(size=(20, 20), dtype=torch.float32)
    masks |= all_positive
    with LargestResult() as largest:
        target_consistency(eam.requires_grad_(), masks, prompt_masks).backward()
    assert largest.bytes <= 8 * eam.numel()


def test_the_module_and_its_options():
    eam, masks, prompt_masks = case()
    module = GACOLoss(form='target', temperature=0.5, clip=0.8, stats='prompt', loss_weight=0.3)
    torch.testing.assert_close(
        module(eam, masks, prompt_masks, max_positive=2),
        0.3 * target_consistency(
            eam, masks, prompt_masks, temperature=0.5, clip=0.8, stats='prompt'))
    with pytest.raises(ValueError, match=r"form must be one of \('advantage', 'target'\)"):
        GACOLoss(form='kl')
    with pytest.raises(ValueError, match="temperature is an option of .*form='target'"):
        GACOLoss(temperature=1.0)
    with pytest.raises(ValueError, match="detach_advantage is an option of .*form='advantage'"):
        GACOLoss(form='target', detach_advantage=True)
    with pytest.raises(ValueError, match='temperature must be > 0, got 0'):
        target_consistency(eam, masks, temperature=0)


def test_shares_by_hand():
    # The outlier is one of n positive cells in each image, and the only one that is clipped.
    eam, masks, prompt_masks = case()
    eam = with_outlier(eam, masks)
    shares = GACOLoss(clip=3.0).shares(eam, masks, prompt_masks)
    assert shares['gaco_clipped'].item() == pytest.approx(2 / masks.sum().item())
    # Not clipped and not normalised, the published form reaches nothing outside.
    free = GACOLoss(clip=1e3, normalize=False).shares(eam, masks, prompt_masks)
    assert free['gaco_clipped'] == 0
    assert free['gaco_to_prompts'] < 1e-12 and abs(free['gaco_to_background']) < 1e-12
    # With a target, P outside beside |P - q| inside.
    one, cells = eam[:1, :3], masks[:1, :3]
    target, probs, _ = literal(one[0], cells[0])
    whole = (probs - target).abs().sum()
    shares = GACOLoss(form='target', normalize=False).shares(one, cells)
    assert not any(value.requires_grad for value in shares.values())
    torch.testing.assert_close(shares['gaco_to_prompts'], probs[2].sum() / whole)
    torch.testing.assert_close(
        shares['gaco_to_background'], probs[:2][~cells[0, :2]].sum() / whole)


def test_shares_of_nothing_are_zero():
    eam, masks, prompt_masks = case(dtype=torch.bfloat16)
    masks[:] = False
    for form in ('advantage', 'target'):
        shares = GACOLoss(form=form).shares(eam, masks, prompt_masks)
        assert [value.item() for value in shares.values()] == [0, 0, 0]
