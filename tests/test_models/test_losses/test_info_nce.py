"""Semantic loss: values by hand, a literal loop, degenerate batches, invariances, precision."""

import math

import pytest
import torch

from expalign.models.losses import MultiPositiveInfoNCELoss, multi_positive_info_nce


def case(batch=3, prompts=5, size=(6, 7), dtype=torch.float64, seed=0):
    """Maps of different size per image, two positives an image and the last prompt padded."""
    gen = torch.Generator().manual_seed(seed)
    eam = torch.randn(batch, prompts, *size, generator=gen, dtype=torch.float64)
    eam *= torch.arange(1, batch + 1).view(-1, 1, 1, 1)
    positives = torch.zeros(batch, prompts, dtype=torch.bool)
    positives[:, [0, 2]] = True
    prompt_masks = torch.ones_like(positives)
    prompt_masks[:, -1] = False
    return eam.to(dtype), positives, prompt_masks


def literal(eam, positives, prompt_masks, topk, tau=0.07):
    """Eqs 6-8 with one loop over images and one over prompts; mean over images with positives."""
    total, images = 0.0, 0
    for scores, positive, real in zip(eam, positives, prompt_masks, strict=True):
        scores = scores[real]
        scores = scores / (scores.abs().max() + 1e-6)
        logits = torch.stack([s.flatten().sort(descending=True).values[:topk].mean()
                              for s in scores]) / tau
        chosen = positive[real]
        if chosen.any():
            total = total - (logits.log_softmax(0))[chosen].mean()
            images += 1
    return total / images


def test_by_hand():
    eam = torch.tensor([[4.0, 0.0], [2.0, 2.0], [0.0, 0.0]]).view(1, 3, 1, 2)
    positives = torch.tensor([[True, True, False]])
    # Means of both cells over the abs-max 4 and tau 0.5: 1, 1, 0.
    loss = multi_positive_info_nce(eam, positives, topk=2, tau=0.5)
    assert loss.item() == pytest.approx(math.log(2 * math.e + 1) - 1, abs=1e-5)
    # Best cells without normalisation, tau 1: 4, 2, 0; the target is 1/2, 1/2, 0.
    loss = multi_positive_info_nce(eam, positives, topk=1, tau=1.0, normalize=False)
    assert loss.item() == pytest.approx(
        math.log(math.exp(4) + math.exp(2) + 1) - 3, abs=1e-5)


@pytest.mark.parametrize('topk', [1, 4, 42, 1000])
def test_equals_the_literal_loop(topk):
    eam, positives, prompt_masks = case()
    positives[1] = False
    positives[2, 1] = True
    torch.testing.assert_close(
        multi_positive_info_nce(eam, positives, prompt_masks, topk=topk),
        literal(eam, positives, prompt_masks, topk))


def test_reductions():
    eam, positives, prompt_masks = case()
    positives[1] = False
    mean = multi_positive_info_nce(eam, positives, prompt_masks, topk=3)
    batch = multi_positive_info_nce(eam, positives, prompt_masks, topk=3, reduction='batch')
    torch.testing.assert_close(batch, mean * 2 / 3)
    with_two = multi_positive_info_nce(eam[::2], positives[::2], prompt_masks[::2], topk=3)
    torch.testing.assert_close(mean, with_two)


def test_scope_of_the_abs_max():
    eam, positives, prompt_masks = case()
    alone = [multi_positive_info_nce(
        eam[i:i + 1], positives[i:i + 1], prompt_masks[i:i + 1], topk=3) for i in range(3)]
    image = multi_positive_info_nce(eam, positives, prompt_masks, topk=3)
    torch.testing.assert_close(image, torch.stack(alone).mean())
    batch = multi_positive_info_nce(eam, positives, prompt_masks, topk=3, norm_scope='batch')
    by_hand = eam / (eam[:, :-1].abs().max() + 1e-6)
    torch.testing.assert_close(batch, multi_positive_info_nce(
        by_hand, positives, prompt_masks, topk=3, normalize=False))
    assert abs(batch - image) > 1e-2


def test_padded_prompts_do_not_matter():
    eam, positives, prompt_masks = case()
    positives[:, -1] = True  # of a padded prompt
    plain = multi_positive_info_nce(eam[:, :-1], positives[:, :-1], topk=3)
    for filling in (100.0, float('inf'), float('nan')):
        eam[:, -1] = filling
        leaf = eam.clone().requires_grad_()
        loss = multi_positive_info_nce(leaf, positives, prompt_masks, topk=3)
        torch.testing.assert_close(loss, plain)
        loss.backward()
        assert not leaf.grad[:, -1].any() and leaf.grad.isfinite().all()


@pytest.mark.parametrize('options', [
    {}, dict(normalize=False), dict(norm_scope='batch', reduction='batch'),
    dict(tau=0.5, topk=1), dict(topk=42)])
def test_gradcheck(options):
    eam, positives, prompt_masks = case()
    positives[1] = False
    eam.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: multi_positive_info_nce(x, positives, prompt_masks, **{'topk': 4, **options}),
        eam)


@pytest.mark.parametrize('empty', ['no positives', 'all padded'])
def test_nothing_to_learn_is_zero_with_a_graph(empty):
    eam, positives, prompt_masks = case(dtype=torch.float32)
    if empty == 'no positives':
        positives[:] = False
    else:
        prompt_masks[:] = False
    eam.requires_grad_()
    for reduction in ('positive', 'batch'):
        loss = multi_positive_info_nce(eam, positives, prompt_masks, topk=3, reduction=reduction)
        assert loss.item() == 0 and loss.requires_grad
        loss.backward()
        assert not eam.grad.any()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_flat_maps_have_finite_gradients(dtype):
    _, positives, _ = case()
    for value in (0.0, 1.0, -3.0):
        eam = torch.full((3, 5, 6, 7), value, dtype=dtype, requires_grad=True)
        loss = multi_positive_info_nce(eam, positives, topk=3)
        assert loss.item() == pytest.approx(math.log(5), abs=1e-5)
        loss.backward()
        # Equal logits: positives go up, the others down, by (1/2 - 1/5) and 1/5.
        gradient = eam.grad.float().sum((2, 3))
        assert gradient.isfinite().all()
        assert (gradient[positives] < 0).all() and (gradient[~positives] > 0).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_inputs_equal_float64(dtype):
    eam, positives, prompt_masks = case(size=(20, 20), prompts=20, dtype=dtype)
    low = eam.clone().requires_grad_()
    exact = eam.double().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = multi_positive_info_nce(low, positives, prompt_masks, topk=4)
    expected = multi_positive_info_nce(exact, positives, prompt_masks, topk=4)
    assert loss.dtype == torch.float32 and expected.dtype == torch.float64
    assert loss.item() == pytest.approx(expected.item(), abs=1e-3)
    loss.backward()
    expected.backward()
    # The gradient is rounded once, when it is handed back.
    torch.testing.assert_close(
        low.grad.double(), exact.grad, rtol=torch.finfo(dtype).eps,
        atol=1e-3 * exact.grad.abs().max().item())


def test_invariances():
    eam, positives, prompt_masks = case()

    def loss(x, normalize):
        return multi_positive_info_nce(x, positives, prompt_masks, topk=3, normalize=normalize)

    torch.testing.assert_close(loss(3.7 * eam, True), loss(eam, True), atol=1e-4, rtol=0)
    torch.testing.assert_close(loss(eam + 2.5, False), loss(eam, False))
    assert abs(loss(eam + 2.5, True) - loss(eam, True)) > 1e-2


def test_arguments_are_checked():
    eam, positives, _ = case()
    for options, message in (
            (dict(topk=0), 'topk is a number of cells'), (dict(topk=1, tau=0.0), 'tau is'),
            (dict(topk=1, norm_scope='x'), r"norm_scope must be one of \('image', 'batch'\)"),
            (dict(topk=1, reduction='sum'), 'reduction must be one of')):
        with pytest.raises(ValueError, match=message):
            multi_positive_info_nce(eam, positives, **options)
    with pytest.raises(ValueError, match=r'positives must be \(3, 5\) .* got \(3, 4\)'):
        multi_positive_info_nce(eam, positives[:, 1:], topk=1)
    with pytest.raises(ValueError, match=r'prompt_masks must be \(3, 5\)'):
        multi_positive_info_nce(eam, positives, positives[:, 1:], topk=1)


def test_module_weights_the_function():
    eam, positives, prompt_masks = case()
    module = MultiPositiveInfoNCELoss(tau=0.2, reduction='batch', loss_weight=0.5)
    torch.testing.assert_close(
        module(eam, positives, prompt_masks, topk=3),
        0.5 * multi_positive_info_nce(
            eam, positives, prompt_masks, topk=3, tau=0.2, reduction='batch'))
