"""CLIP tokens against transformers' own outputs."""

import pytest
import torch
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModelWithProjection

from expalign.models.text_encoders import CLIPTokenEncoder
from expalign.models.utils.pretrained import PretrainedModelError
from expalign.registry import MODELS
from tests.helpers.tokenizers import make_bert_tokenizer, make_clip_tokenizer, tiny_clip_config

PROMPTS = ['cat', 'an owl, on a red dog', '', 'red']


@pytest.fixture
def folder(tmp_path):
    """A model folder: text tower with projection and tokenizer."""
    torch.manual_seed(0)
    config = CLIPTextConfig(**tiny_clip_config())
    CLIPTextModelWithProjection(config).save_pretrained(tmp_path)
    return make_clip_tokenizer(tmp_path)


def test_eot_is_the_text_embedding(folder):
    encoder = CLIPTokenEncoder(folder)
    tokens, masks = encoder(PROMPTS)
    batch = encoder.tokenizer(PROMPTS, padding='max_length', return_tensors='pt')
    with torch.no_grad():
        expected = CLIPTextModelWithProjection.from_pretrained(folder).eval()(**batch).text_embeds
    last = masks.sum(1) - 1
    torch.testing.assert_close(tokens[torch.arange(4), last], expected)


def test_every_token_is_projected_after_the_final_norm(folder):
    encoder = CLIPTokenEncoder(folder)
    # A norm that differs from the identity shows whether it was applied.
    torch.nn.init.normal_(encoder.model.text_model.final_layer_norm.weight)
    kept = []
    encoder.model.text_model.final_layer_norm.register_forward_hook(
        lambda module, args, output: kept.append(output))
    tokens, _ = encoder(['red cat'])
    # start, red, cat, EOT: all but the start token.
    expected = kept[0][0, 1:4] @ encoder.model.text_projection.weight.T
    torch.testing.assert_close(tokens[0], expected)


def test_text_tower_of_a_full_model(tmp_path):
    text = tiny_clip_config()
    vision = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
                  image_size=8, patch_size=4, projection_dim=12)
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).eval()
    model.save_pretrained(tmp_path)
    encoder = CLIPTokenEncoder(make_clip_tokenizer(tmp_path))
    tokens, _ = encoder(['cat'])
    with torch.no_grad():
        batch = encoder.tokenizer(['cat'], return_tensors='pt')
        expected = model.get_text_features(**batch).pooler_output
    torch.testing.assert_close(tokens[:, -1], expected)


def test_truncated_prompt_keeps_its_eot(folder):
    encoder = CLIPTokenEncoder(folder, max_length=6)
    with pytest.warns(UserWarning, match='has 12 tokens, 6 is the limit'):
        ids = encoder.tokenize(['x' * 10])['input_ids']
    assert ids.shape == (1, 6) and ids[0, -1] == encoder.tokenizer.eos_token_id


def test_built_from_the_registry(folder):
    encoder = MODELS.build(dict(type='expalign.CLIPTokenEncoder', model=folder, frozen=False))
    assert encoder.out_channels == 12 and encoder.training


def test_errors(folder, tmp_path_factory):
    with pytest.raises(ValueError, match='a model given as a dict needs a tokenizer'):
        CLIPTokenEncoder(tiny_clip_config())
    with pytest.raises(ValueError, match=r"CLIPTextConfig has no \['hiden_size'\]"):
        CLIPTokenEncoder(tiny_clip_config(hiden_size=8), tokenizer=folder)
    with pytest.raises(ValueError, match='no CLIP tokenizer'):
        CLIPTokenEncoder(folder, tokenizer=make_bert_tokenizer(tmp_path_factory.mktemp('bert')))
    with pytest.raises(PretrainedModelError, match=r"CLIPTokenEncoder\(model=...\): './no/such'"):
        CLIPTokenEncoder('./no/such')


def test_missing_tokenizer_files(tmp_path):
    CLIPTextModelWithProjection(CLIPTextConfig(**tiny_clip_config())).save_pretrained(tmp_path)
    with pytest.raises(PretrainedModelError, match=r'CLIPTokenEncoder\(tokenizer=...\)'):
        CLIPTokenEncoder(str(tmp_path))
