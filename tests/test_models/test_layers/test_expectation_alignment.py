"""Expectation alignment against the literal Eqs 1-4 and the properties that follow from them."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from expalign.models.layers import align_levels, expectation_alignment, masked_softmax


def literal_alignment(img_feats, txt_feats, txt_masks, tau=1.0):
    """Eqs 1-4 as they are written, one image, prompt and token at a time."""
    maps, all_weights = [], []
    for b, feats in enumerate(img_feats):
        texts = txt_feats[b % len(txt_feats)]
        masks = txt_masks[b % len(txt_masks)]
        image_maps, image_weights = [], []
        for tokens, mask in zip(texts, masks, strict=True):
            real = mask.nonzero()[:, 0]
            weights = torch.zeros(len(mask), dtype=feats.dtype)
            eam = torch.zeros(feats.shape[1:], dtype=feats.dtype)
            if len(real):
                similarity = torch.stack(
                    [(feats * tokens[t][:, None, None]).sum(0) for t in real])  # Eq. 1
                mean = similarity.mean(dim=(1, 2))  # Eq. 2
                pi = torch.exp(mean / tau) / torch.exp(mean / tau).sum()  # Eq. 3
                eam = (pi[:, None, None] * similarity).sum(0)  # Eq. 4
                weights = weights.index_put((real,), pi)
            image_maps.append(eam)
            image_weights.append(weights)
        maps.append(torch.stack(image_maps))
        all_weights.append(torch.stack(image_weights))
    return torch.stack(maps), torch.stack(all_weights)


def make_inputs(batch=2, prompts=3, tokens=5, dims=8, size=(4, 6), shared=False,
                dtype=torch.float64, seed=0):
    gen = torch.Generator().manual_seed(seed)
    rows = 1 if shared else batch
    img = torch.randn(batch, dims, *size, generator=gen, dtype=torch.float64)
    txt = torch.randn(rows, prompts, tokens, dims, generator=gen, dtype=torch.float64)
    lengths = torch.randint(1, tokens + 1, (rows, prompts), generator=gen)
    masks = torch.arange(tokens) < lengths[..., None]
    return img.to(dtype), txt.to(dtype), masks


@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize(
    ('dtype', 'tolerance'), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_equals_literal_equations_in_value_and_gradient(shared, dtype, tolerance):
    img, txt, masks = make_inputs(shared=shared, dtype=dtype)
    probe = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(1)).to(dtype)
    results = []
    for function in (expectation_alignment, literal_alignment):
        leaves = [img.clone().requires_grad_(), txt.clone().requires_grad_()]
        eam, weights = function(*leaves, masks, tau=0.7)
        grads = torch.autograd.grad((eam * probe).sum() + weights.square().sum(), leaves)
        results.append((eam, weights, *grads))
    for ours, reference in zip(*results, strict=True):
        torch.testing.assert_close(ours, reference, rtol=tolerance, atol=tolerance)


def test_bf16_stays_within_its_precision():
    img, txt, masks = make_inputs(dims=32)
    rounded = img.bfloat16(), txt.bfloat16()
    eam, weights = expectation_alignment(*rounded, masks)
    reference, ref_weights = literal_alignment(*(x.double() for x in rounded), masks)
    assert eam.dtype is torch.bfloat16
    # 8 bits of mantissa: a few units of 2^-8 of the largest value.
    assert (eam.double() - reference).abs().max() < 0.03 * reference.abs().max()
    assert (weights.double() - ref_weights).abs().max() < 0.03


def test_hand_computed_value():
    # One prompt of two tokens, D = 2, two cells: F = (1, 0) and (3, 0); T1 = (1, 0), T2 = (0, 1).
    img = torch.tensor([[1.0, 3.0], [0.0, 0.0]], dtype=torch.float64).reshape(1, 2, 1, 2)
    txt = torch.eye(2, dtype=torch.float64).reshape(1, 1, 2, 2)
    eam, weights = expectation_alignment(img, txt, torch.ones(1, 1, 2, dtype=torch.bool))
    # Means are 2 and 0, so pi(1) = e^2 / (e^2 + 1); the map is pi(1) * F.
    pi = 7.38905609893065 / 8.38905609893065
    torch.testing.assert_close(weights[0, 0], torch.tensor([pi, 1 - pi], dtype=torch.float64))
    torch.testing.assert_close(eam[0, 0, 0], torch.tensor([pi, 3 * pi], dtype=torch.float64))


def test_gradcheck():
    img, txt, masks = make_inputs(batch=2, prompts=2, tokens=3, dims=3, size=(2, 2))
    masks[0, 1] = False
    assert torch.autograd.gradcheck(
        lambda f, t: expectation_alignment(f, t, masks),
        (img.requires_grad_(), txt.requires_grad_()))


def test_gradients_under_autocast_are_near_those_without():
    img, txt, mask = make_inputs()
    grads = []
    for enabled in (False, True):
        leaves = [x.detach().float().requires_grad_() for x in (img, txt)]
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            eam, _ = expectation_alignment(*leaves, mask)
        grads.append(torch.autograd.grad(eam.float().square().sum(), leaves))
    for exact, rounded in zip(*grads, strict=True):
        assert rounded.dtype == torch.float32
        assert (rounded - exact).norm() < 0.02 * exact.norm()


def test_padding_changes_nothing_whatever_it_holds():
    img, txt, masks = make_inputs()
    eam, weights = expectation_alignment(img, txt, masks)
    padded = torch.cat([txt, torch.full((2, 3, 4, 8), 7.5, dtype=txt.dtype)], dim=2)
    padded_masks = torch.cat([masks, torch.zeros(2, 3, 4, dtype=torch.bool)], dim=2)
    eam2, weights2 = expectation_alignment(img, padded, padded_masks)
    torch.testing.assert_close(eam2, eam, rtol=0, atol=1e-14)
    torch.testing.assert_close(weights2[..., :5], weights, rtol=0, atol=1e-14)
    assert weights2[..., 5:].abs().max() == 0


@pytest.mark.parametrize('masked_row', [0, 2])
def test_fully_masked_prompt_gives_zeros_and_finite_gradients(masked_row):
    img, txt, masks = make_inputs()
    masks[:, masked_row] = False
    img.requires_grad_()
    txt.requires_grad_()
    eam, weights = expectation_alignment(img, txt, masks)
    assert eam[:, masked_row].abs().max() == 0
    assert weights[:, masked_row].abs().max() == 0
    eam.sum().backward()
    assert torch.isfinite(img.grad).all()
    assert txt.grad[:, masked_row].abs().max() == 0


def test_token_order_does_not_matter():
    img, txt, masks = make_inputs()
    order = torch.tensor([3, 0, 4, 1, 2])
    eam, weights = expectation_alignment(img, txt, masks)
    eam2, weights2 = expectation_alignment(img, txt[:, :, order], masks[:, :, order])
    torch.testing.assert_close(eam2, eam)
    torch.testing.assert_close(weights2, weights[:, :, order])


def test_cells_permute_with_the_map_and_leave_weights_and_top_k_alone():
    img, txt, masks = make_inputs()
    order = torch.randperm(24, generator=torch.Generator().manual_seed(2))
    permuted = img.flatten(2)[..., order].reshape(img.shape)
    eam, weights = expectation_alignment(img, txt, masks)
    eam2, weights2 = expectation_alignment(permuted, txt, masks)
    torch.testing.assert_close(eam2.flatten(2), eam.flatten(2)[..., order])
    torch.testing.assert_close(weights2, weights)
    for k in (1, 5, 24):
        top, top2 = (x.flatten(2).topk(k).values.mean(-1) for x in (eam, eam2))
        torch.testing.assert_close(top2, top)
    flat = eam.flatten(2)
    torch.testing.assert_close(flat.topk(1).values.mean(-1), flat.amax(-1))
    torch.testing.assert_close(flat.topk(24).values.mean(-1), flat.mean(-1))


def test_limits_of_the_temperature():
    img, txt, masks = make_inputs()
    hot, _ = expectation_alignment(img, txt, masks, tau=1e9)
    real = masks.double()[..., None]
    mean_token = (txt * real).sum(2) / real.sum(2)
    torch.testing.assert_close(
        hot, torch.einsum('bdhw,bkd->bkhw', img, mean_token), rtol=0, atol=1e-7)
    cold, weights = expectation_alignment(img, txt, masks, tau=1e-6)
    scores = torch.einsum('bd,bkld->bkl', img.mean((2, 3)), txt)
    best = scores.masked_fill(~masks, -torch.inf).argmax(-1)
    chosen = txt.gather(2, best[..., None, None].expand(-1, -1, 1, 8))[:, :, 0]
    torch.testing.assert_close(cold, torch.einsum('bdhw,bkd->bkhw', img, chosen))
    assert (weights.argmax(-1) == best).all()


def test_one_token_is_the_sentence_level_head():
    img, txt, _ = make_inputs(tokens=1)
    eam, weights = expectation_alignment(img, txt, torch.ones(2, 3, 1, dtype=torch.bool))
    torch.testing.assert_close(eam, torch.einsum('bdhw,bkd->bkhw', img, txt[:, :, 0]))
    assert (weights == 1).all()


def test_prompts_shared_by_the_batch_equal_repeated_ones():
    img, txt, masks = make_inputs(batch=3, shared=True)
    eam, weights = expectation_alignment(img, txt, masks)
    eam2, weights2 = expectation_alignment(
        img, txt.expand(3, -1, -1, -1), masks.expand(3, -1, -1))
    torch.testing.assert_close(eam, eam2)
    torch.testing.assert_close(weights, weights2)


class LargestTensor(TorchDispatchMode):
    """Records the most elements any operation gave back."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_flatten(out)[0]:
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return out


@pytest.mark.parametrize('shared', [False, True])
def test_no_tensor_over_tokens_and_cells_is_made(shared):
    img, txt, masks = make_inputs(
        batch=2, prompts=6, tokens=9, dims=4, size=(16, 16), shared=shared)
    img.requires_grad_()
    txt.requires_grad_()
    with LargestTensor() as seen:
        eam, _ = expectation_alignment(img, txt, masks)
        eam.square().sum().backward()
    assert seen.numel == eam.numel() < 9 * 6 * 16 * 16


@pytest.mark.parametrize(('axis', 'message'), [(1, '(1, 3, 5, 8)'), (2, '(2, 3, 5)')])
def test_wrong_shapes_are_named(axis, message):
    img, txt, masks = make_inputs(batch=2)
    args = [torch.cat([img, img]), txt[:1], masks] if axis == 1 else [img, txt[..., :7], masks]
    with pytest.raises(ValueError, match='expected img_feats') as error:
        expectation_alignment(*args)
    assert message in str(error.value)


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match='must be > 0, got 0'):
        expectation_alignment(*make_inputs(), tau=0)


def test_masked_softmax_by_hand():
    scores = torch.tensor([[0.0, 0.0, 50.0], [1.0, 2.0, 3.0]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    expected = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert torch.equal(masked_softmax(scores, mask), expected)


@pytest.mark.parametrize('shared', [False, True])
def test_levels_together_are_each_by_itself(shared):
    """Values and every gradient in float64, with a prompt without tokens and a temperature."""
    generator = torch.Generator().manual_seed(0)
    sizes, groups = ((6, 9), (3, 5), (2, 2)), 1 if shared else 3
    maps = [torch.randn(3, 8, *size, generator=generator, dtype=torch.float64) for size in sizes]
    tokens = torch.randn(groups, 5, 4, 8, generator=generator, dtype=torch.float64)
    masks = torch.rand(groups, 5, 4, generator=generator) > 0.3
    masks[0, 2] = False
    found = []
    for together in (True, False):
        leaves = [x.clone().requires_grad_() for x in (*maps, tokens)]
        if together:
            eams, weights = align_levels(leaves[:-1], leaves[-1], masks, 0.5)
        else:
            eams, weights = zip(*(
                expectation_alignment(x, leaves[-1], masks, 0.5) for x in leaves[:-1]), strict=True)
        sum((own * (i + 1)).square().sum() for i, own in enumerate((*eams, *weights))).backward()
        found.append([*eams, *weights, *(leaf.grad for leaf in leaves)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
