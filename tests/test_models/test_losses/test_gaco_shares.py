"""What the log says of how the geometric loss acts."""

import pytest
import torch

from expalign.models.losses import GACOLoss, geometry_aware_consistency
from tests.test_models.test_losses.gaco_cases import case, with_outlier


def test_clipped_cells_and_gradient_elsewhere():
    # The outlier is one of n positive cells in each image, and the only one that is clipped.
    eam, masks, prompt_masks = case()
    eam = with_outlier(eam, masks)
    module = GACOLoss(clip=3.0, normalize=False)
    shares = module.shares(eam, masks, prompt_masks)
    assert not any(value.requires_grad for value in shares.values())
    assert shares['gaco_clipped'].item() == pytest.approx(2 / masks.sum().item())
    # The gradient, written out: of all its size, what lies outside the positive cells.
    leaf = eam.clone().requires_grad_()
    geometry_aware_consistency(
        leaf, masks, prompt_masks, clip=3.0, normalize=False).backward()
    sizes = leaf.grad.abs()
    whole, named = sizes.sum(), sizes[:, :2]
    assert not sizes[:, 3].any()  # padded
    torch.testing.assert_close(shares['gaco_to_prompts'], sizes[:, 2].sum() / whole)
    torch.testing.assert_close(
        shares['gaco_to_background'], named[~masks[:, :2]].sum() / whole)
    assert shares['gaco_to_prompts'] > 0.01 and shares['gaco_to_background'] > 0.01


def test_without_clipping_nothing_is_reached_but_the_largest():
    eam, masks, prompt_masks = case()
    free = GACOLoss(clip=1e3, normalize=False).shares(eam, masks, prompt_masks)
    assert free['gaco_clipped'] == 0
    assert free['gaco_to_prompts'] < 1e-12 and free['gaco_to_background'] < 1e-12
    # Of the prompt without positive cells, one cell of each image has the abs-max.
    eam[:, 2, 0, 0] = 9
    shares = GACOLoss(clip=1e3).shares(eam, masks, prompt_masks)
    leaf = eam.clone().requires_grad_()
    geometry_aware_consistency(leaf, masks, prompt_masks, clip=1e3).backward()
    reached = leaf.grad[:, 2, 0, 0].abs().sum()
    torch.testing.assert_close(shares['gaco_to_prompts'], reached / leaf.grad.abs().sum())
    assert shares['gaco_to_prompts'] > 0 and shares['gaco_to_background'] < 1e-12


def test_shares_of_nothing_are_zero():
    eam, masks, prompt_masks = case(dtype=torch.bfloat16)
    masks[:] = False
    shares = GACOLoss().shares(eam, masks, prompt_masks)
    assert [value.item() for value in shares.values()] == [0, 0, 0]
