"""The adapter: identity at the start, masks, gradients, poolings, widths."""

import pytest
import torch
from torch.nn.functional import normalize

from expalign.models.layers.swiglu import SwiGLU
from expalign.models.text_encoders import TextAdapter
from expalign.registry import MODELS

POOLINGS = ['expectation', 'mean', 'eot']


@pytest.fixture
def batch():
    """Tokens (4, 5, 6) of 5, 2, 1 and 0 real tokens."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.arange(5) < torch.tensor([5, 2, 1, 0])[:, None]
    tokens = torch.randn(4, 5, 6, generator=generator) * 9
    return tokens.masked_fill(~masks[..., None], 0), masks


def trained(**kwargs):
    """Return an adapter with random weights, as after training: its biases are not zero."""
    torch.manual_seed(0)
    adapter = TextAdapter(6, **kwargs)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return adapter


def test_parameter_count_of_clip_large():
    adapter = TextAdapter(768)
    # w12: 768 x 3072 + 3072; w3: 1536 x 768 + 768
    assert sum(p.numel() for p in adapter.parameters()) == 2362368 + 1180416 == 3542784
    # MiniLM's 384 to 768: 6 x 384^2 + 5 x 384, and the projection.
    count = sum(p.numel() for p in TextAdapter(384, 768).parameters())
    assert count == 886656 + 294912


def test_swiglu_by_hand():
    ffn = SwiGLU(1, hidden_dim=1)
    assert ffn(torch.ones(3, 1)).tolist() == [[0.0]] * 3
    with torch.no_grad():
        ffn.w12.weight.copy_(torch.tensor([[2.0], [3.0]]))
        ffn.w12.bias.zero_()
        ffn.w3.weight.fill_(1.0)
        ffn.w3.bias.fill_(0.5)
    # a = 2, b = 3: silu(2) * 3 + 0.5 = 2 / (1 + e^-2) * 3 + 0.5
    torch.testing.assert_close(ffn(torch.ones(1, 1)), torch.tensor([[5.784782]]))


def test_identity_at_the_start(batch):
    tokens, masks = batch
    feats, out_masks = TextAdapter(6)(tokens, masks)
    torch.testing.assert_close(feats, normalize(tokens, dim=-1))
    assert torch.equal(out_masks, masks)


def test_mean_and_eot_at_the_start(batch):
    tokens, masks = batch
    feats, out_masks = TextAdapter(6, token_pooling='mean')(tokens, masks)
    mean = torch.stack([tokens[0].mean(0), tokens[1, :2].mean(0), tokens[2, 0]])
    torch.testing.assert_close(feats[:3, 0], normalize(mean, dim=-1))
    assert out_masks.tolist() == [[True], [True], [True], [False]]
    feats, out_masks = TextAdapter(6, token_pooling='eot')(tokens, masks)
    last = torch.stack([tokens[0, 4], tokens[1, 1], tokens[2, 0]])
    torch.testing.assert_close(feats[:3, 0], normalize(last, dim=-1))
    assert out_masks.tolist() == [[True], [True], [True], [False]]


@pytest.mark.parametrize('out_channels', [6, 4, 9])
@pytest.mark.parametrize('token_pooling', POOLINGS)
class TestTrained:

    def test_unit_length_and_zero_where_masked(self, batch, token_pooling, out_channels):
        adapter = trained(out_channels=out_channels, token_pooling=token_pooling)
        feats, masks = adapter(*batch)
        assert feats.shape == (4, 5 if token_pooling == 'expectation' else 1, out_channels)
        assert adapter.out_channels == out_channels
        torch.testing.assert_close(feats[masks].norm(dim=-1), torch.ones(int(masks.sum())))
        assert not feats[~masks].any() and not feats[3].any()

    def test_formula(self, batch, token_pooling, out_channels):
        adapter = trained(out_channels=out_channels, token_pooling=token_pooling)
        tokens, masks = batch
        pooled = dict(expectation=tokens[0], mean=tokens[0].mean(0)[None], eot=tokens[0, 4:])
        x = normalize(pooled[token_pooling], dim=-1)
        gate, value = adapter.ffn.w12(x).split(12, dim=-1)
        x = x + adapter.ffn.w3(gate / (1 + (-gate).exp()) * value)
        if out_channels != 6:
            x = x @ adapter.proj.weight.T
        torch.testing.assert_close(adapter(tokens, masks)[0][0], x / x.norm(dim=-1, keepdim=True))

    def test_padding_and_what_it_holds_change_nothing(self, batch, token_pooling, out_channels):
        adapter = trained(out_channels=out_channels, token_pooling=token_pooling)
        tokens, masks = batch
        feats, _ = adapter(tokens, masks)
        longer = torch.cat((tokens, torch.zeros(4, 3, 6)), dim=1)
        more = torch.cat((masks, torch.zeros(4, 3, dtype=torch.bool)), dim=1)
        longer = longer.masked_fill(~more[..., None], float('nan'))
        padded, _ = adapter(longer, more)
        torch.testing.assert_close(padded[:, :feats.shape[1]], feats)
        assert not padded[:, feats.shape[1]:].any()

    def test_gradients_are_finite_with_an_empty_row(self, batch, token_pooling, out_channels):
        for adapter in (trained(out_channels=out_channels, token_pooling=token_pooling),
                        TextAdapter(6, out_channels, token_pooling)):
            tokens, masks = batch[0].clone().requires_grad_(), batch[1]
            adapter(tokens, masks)[0].square().sum(dim=-1).exp().sum().backward()
            grads = [tokens.grad, *(p.grad for p in adapter.parameters())]
            assert all(torch.isfinite(grad).all() for grad in grads)
            assert not tokens.grad[~masks].any()

    def test_gradcheck(self, batch, token_pooling, out_channels):
        adapter = trained(out_channels=out_channels, token_pooling=token_pooling).double()
        tokens, masks = batch[0].double()[:3].requires_grad_(), batch[1][:3]
        assert torch.autograd.gradcheck(lambda t: adapter(t, masks)[0], tokens)


def test_bfloat16_autocast_keeps_unit_length(batch):
    adapter = trained(out_channels=9)
    with torch.autocast('cpu', torch.bfloat16):
        feats, masks = adapter(*batch)
    assert feats.dtype == torch.float32
    torch.testing.assert_close(feats[masks].norm(dim=-1), torch.ones(int(masks.sum())))
    torch.testing.assert_close(feats, adapter(*batch)[0], atol=0.03, rtol=0)


def test_projection_keeps_angles_at_the_start(batch):
    tokens, masks = batch
    feats, _ = TextAdapter(6, 9)(tokens, masks)
    expected = normalize(tokens[0], dim=-1)
    torch.testing.assert_close(feats[0] @ feats[0].T, expected @ expected.T)
    weight = TextAdapter(6, 4).proj.weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(4))


def test_registry_and_unknown_pooling():
    adapter = MODELS.build(dict(type='expalign.TextAdapter', in_channels=6))
    before = adapter.ffn.w12.weight.clone()
    adapter.init_weights()
    assert torch.equal(adapter.ffn.w12.weight, before) and not adapter.ffn.w3.weight.any()
    with pytest.raises(ValueError, match="'expectation', 'mean' or 'eot', got 'max'"):
        TextAdapter(6, token_pooling='max')
