"""GACO's values: by hand, against Algorithm 1, statistics, clipping, padding, invariances."""

import math

import pytest
import torch

from expalign.models.losses import (
    GACOLoss,
    geometry_aware_consistency,
    gibbs_distribution,
)
from tests.test_models.test_losses.gaco_cases import algorithm_1, case, with_outlier

LN3 = math.log(3)


def row(*values):
    """One image, one prompt, one row of cells, in float64."""
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def test_two_cells_by_hand():
    # R = 3/4, 1/4; mu = 1/2, sigma = 1/4; A = 1, -1.
    eam, masks = row(LN3, -LN3, 0.0), row(1, 1, 0).bool()
    loss = geometry_aware_consistency(eam, masks, normalize=False)
    assert loss.item() == pytest.approx(-LN3, abs=1e-5)
    loss = geometry_aware_consistency(eam, masks, normalize=False, clip=0.5, beta=3.0)
    assert loss.item() == pytest.approx(-1.5 * LN3, abs=1e-5)


def test_clipped_cells_by_hand():
    # R = 3/4, 1/4, 1/4; mu = 5/12, var = 1/18; A = sqrt(2), -sqrt(1/2) twice, the first cut to 1.
    eam, masks = row(LN3, -LN3, -LN3, 0.0), row(1, 1, 1, 0).bool()
    log_z = math.log(3 + 1 / 3 + 1 / 3 + 1)
    expected = -((LN3 - log_z) - math.sqrt(2) * (-LN3 - log_z)) / 3
    loss = geometry_aware_consistency(eam, masks, normalize=False, clip=1.0)
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_normalised_by_hand():
    # Divided by 4: 1, -1, and R = sigmoid(1), sigmoid(-1), so that A = 1, -1.
    loss = geometry_aware_consistency(row(4.0, -4.0, 2.0), row(1, 1, 0).bool())
    assert loss.item() == pytest.approx(-1.0, abs=1e-4)


@pytest.mark.parametrize(('clip', 'beta'), [(5.0, 1.0), (0.7, 1.0), (1.5, 2.5)])
def test_equals_algorithm_1(clip, beta):
    eam, masks, prompt_masks = case()
    for maps in (eam, with_outlier(eam, masks)):
        for cells in (masks, masks & torch.tensor([True, False]).view(2, 1, 1, 1)):
            mine, literal = maps.clone().requires_grad_(), maps.clone().requires_grad_()
            loss = geometry_aware_consistency(
                mine, cells, prompt_masks, clip=clip, beta=beta, norm_scope='batch')
            expected = algorithm_1(literal, cells, prompt_masks, clip=clip, beta=beta)
            torch.testing.assert_close(loss, expected)
            loss.backward()
            expected.backward()
            torch.testing.assert_close(mine.grad, literal.grad)


def test_image_scope_does_not_depend_on_grouping():
    eam, masks, prompt_masks = case()
    eam[1] *= 3
    cells = masks.flatten(1).sum(1).double()
    alone = torch.stack([geometry_aware_consistency(
        eam[i:i + 1], masks[i:i + 1], prompt_masks[i:i + 1]) for i in range(2)])
    together = geometry_aware_consistency(eam, masks, prompt_masks)
    torch.testing.assert_close(together, (alone * cells).sum() / cells.sum())
    batch = geometry_aware_consistency(eam, masks, prompt_masks, norm_scope='batch')
    assert abs(batch - together) > 1e-3


def test_statistics_of_image_and_of_prompt():
    # Two prompts of two cells each. Per prompt, R = mu +- d and sigma = sqrt(d^2 + eps).
    eam = torch.tensor([[LN3, -LN3], [2.0, 1.0]], dtype=torch.float64).view(1, 2, 1, 2)
    masks = torch.ones_like(eam, dtype=torch.bool)
    half = (1 / (1 + math.exp(-2)) - 1 / (1 + math.exp(-1))) / 2
    one, two = (d / math.sqrt(d * d + 1e-4) for d in (0.25, half))
    loss = geometry_aware_consistency(eam, masks, normalize=False, stats='prompt', eps=1e-4)
    assert loss.item() == pytest.approx(-(2 * one * LN3 + two * 1.0) / 4, abs=1e-9)
    rewards = eam.sigmoid()
    advantage = (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-4)
    loss = geometry_aware_consistency(eam, masks, normalize=False, eps=1e-4)
    torch.testing.assert_close(loss, -(advantage * eam).mean())
    # Flat prompts of different height vary within the image, not within themselves.
    flat = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 1, 4)
    masks = torch.ones_like(flat, dtype=torch.bool)
    assert geometry_aware_consistency(flat, masks, stats='prompt') == 0
    assert geometry_aware_consistency(flat, masks).item() == pytest.approx(-1.0, abs=1e-4)


def test_without_clipping_the_partition_cancels():
    eam, masks, prompt_masks = case()
    for scale in (0.1, 1.0, 8.0):
        leaf = (scale * eam).requires_grad_()
        loss = geometry_aware_consistency(
            leaf, masks, prompt_masks, clip=float('inf'), normalize=False)
        expected = 0.0
        for scores, cells in zip(leaf, masks, strict=True):
            rewards = scores[cells].sigmoid()
            advantage = (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-6)
            expected = expected - (advantage * scores[cells]).sum() / masks.sum()
        torch.testing.assert_close(loss, expected)
        assert loss <= 0
        loss.backward()
        assert leaf.grad[~masks].abs().max() < 1e-12
        assert leaf.grad[masks].abs().max() > 1e-4
    # Through the abs-max alone one more cell has a gradient.
    eam[:, 2, 0, 0] = 9.0
    leaf = eam.requires_grad_()
    geometry_aware_consistency(leaf, masks, prompt_masks, clip=float('inf')).backward()
    outside = (leaf.grad.abs() > 1e-12) & ~masks
    assert outside.nonzero().tolist() == [[0, 2, 0, 0], [1, 2, 0, 0]]


def test_clipping_lets_the_background_in():
    eam, masks, prompt_masks = case()
    leaf = with_outlier(eam, masks).requires_grad_()
    geometry_aware_consistency(leaf, masks, prompt_masks, normalize=False).backward()
    background = ~masks & prompt_masks[:, :, None, None]
    assert (leaf.grad[background] < 0).all()  # sum of A < 0: log Z is to rise
    assert not leaf.grad[~prompt_masks].any()


@pytest.mark.parametrize(('cells', 'binds'), [(26, False), (27, True)])
def test_the_default_clip_binds_from_27_cells_on(cells, binds):
    eam = torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    eam[0, 0, 0, 0] = 2.0
    masks = (torch.arange(36) < cells).view(1, 1, 6, 6)
    clipped, free = (
        geometry_aware_consistency(eam, masks, normalize=False, eps=1e-12, clip=clip)
        for clip in (5.0, float('inf')))
    assert (abs(clipped - free) > 1e-3) == binds


@pytest.mark.parametrize('clip', [5.0, 0.7])
def test_padded_prompts_do_not_matter(clip):
    eam, masks, prompt_masks = case()
    eam = with_outlier(eam, masks)
    masks[:, -1, :2] = True  # cells of a padded prompt
    plain = geometry_aware_consistency(
        eam[:, :-1], masks[:, :-1], clip=clip, normalize=False)
    for filling in (9.0, float('inf'), float('nan')):
        eam[:, -1] = filling
        leaf = eam.clone().requires_grad_()
        loss = geometry_aware_consistency(
            leaf, masks, prompt_masks, clip=clip, normalize=False)
        torch.testing.assert_close(loss, plain)
        loss.backward()
        assert leaf.grad.isfinite().all() and not leaf.grad[:, -1].any()
    # Both sides of the comparison matter: counted, the same prompt changes the loss.
    eam[:, -1], masks[:, -1] = 9.0, False
    counted = geometry_aware_consistency(eam, masks, clip=clip, normalize=False)
    assert abs(counted - plain) > 1e-2


def test_invariant_to_scale_and_not_to_shift():
    eam, masks, prompt_masks = case()

    def loss(x, normalize):
        return geometry_aware_consistency(
            x, masks, prompt_masks, clip=1.0, normalize=normalize)

    torch.testing.assert_close(loss(3.7 * eam, True), loss(eam, True), atol=1e-5, rtol=0)
    # log P does not change under a shift; L_geo does, because the sigmoid of R does.
    nothing = torch.zeros_like(eam)
    torch.testing.assert_close(
        gibbs_distribution(eam + 2.5, nothing, 0.0, 1.0).log(),
        gibbs_distribution(eam, nothing, 0.0, 1.0).log())
    for normalize in (False, True):
        assert abs(loss(eam + 2.5, normalize) - loss(eam, normalize)) > 1e-2


def test_module_weights_the_function():
    eam, masks, prompt_masks = case()
    module = GACOLoss(clip=0.5, stats='prompt', loss_weight=0.3)
    torch.testing.assert_close(
        module(eam, masks, prompt_masks),
        0.3 * geometry_aware_consistency(eam, masks, prompt_masks, clip=0.5, stats='prompt'))
