"""The adapter without parameters: what TextAdapter is before training."""

import pytest
import torch

from expalign.models.text_encoders import TextAdapter, TextNormalizer


@pytest.mark.parametrize('pooling', ['eot', 'expectation'])
def test_equals_the_untrained_adapter(pooling):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(4, 5, 6, generator=generator) * 9
    masks = torch.arange(5) < torch.tensor([5, 2, 1, 0])[:, None]
    normalizer = TextNormalizer(token_pooling=pooling)
    feats, out_masks = normalizer(tokens, masks)
    expected, expected_masks = TextAdapter(6, token_pooling=pooling)(tokens, masks)
    torch.testing.assert_close(feats, expected.detach())
    assert torch.equal(out_masks, expected_masks)
    assert not normalizer.state_dict()


def test_last_real_token_is_kept():
    tokens = torch.tensor([[[3.0, 4.0], [0.0, 2.0], [7.0, 7.0]]])
    feats, masks = TextNormalizer()(tokens, torch.tensor([[True, True, False]]))
    assert feats.tolist() == [[[0.0, 1.0]]] and masks.tolist() == [[True]]


def test_unknown_pooling():
    with pytest.raises(ValueError, match="must be 'expectation' or 'eot', got 'mean'"):
        TextNormalizer(token_pooling='mean')
