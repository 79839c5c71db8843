"""Configs without pretrained weights: hub names replaced by the architectures they stand for.

For counting, for tests and for machines that cannot reach a model hub. Weights are random; text
goes through a placeholder tokenizer, so predictions mean nothing.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config

CONVNEXT_WIDTHS = {
    'tiny': [96, 192, 384, 768],
    'small': [96, 192, 384, 768],
    'base': [128, 256, 512, 1024],
    'large': [192, 384, 768, 1536],
}
CONVNEXT_DEPTHS = {size: [3, 3, 9 if size == 'tiny' else 27, 3] for size in CONVNEXT_WIDTHS}
CLIP_VIT_L_TEXT = dict(
    vocab_size=49408, hidden_size=768, intermediate_size=3072, projection_dim=768,
    num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=77,
    hidden_act='quick_gelu', bos_token_id=49406, eos_token_id=49407, pad_token_id=1)
CLIP_VIT_B32_TEXT = dict(
    CLIP_VIT_L_TEXT, hidden_size=512, intermediate_size=2048, projection_dim=512,
    num_attention_heads=8)

# Hub name -> arguments of the transformers configuration class.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    'openai/clip-vit-large-patch14': CLIP_VIT_L_TEXT,
    'openai/clip-vit-base-patch32': CLIP_VIT_B32_TEXT,
    **{name.format(size): dict(hidden_sizes=widths, depths=CONVNEXT_DEPTHS[size])
       for size, widths in CONVNEXT_WIDTHS.items()
       for name in ('facebook/dinov3-convnext-{}-pretrain-lvd1689m',
                    'timm/convnext_{}.dinov3_lvd1689m')},
}

# What shrinks a network without changing the width of anything that it is connected to.
TINY = dict(
    depths=[1, 1, 1, 1], num_hidden_layers=1, intermediate_size=64, vocab_size=1000,
    bos_token_id=998, eos_token_id=999)


def with_random_encoders(cfg: Config, tokenizer: str | Path, tiny: bool = False) -> Config:
    """A copy of ``cfg`` whose encoders are built at random where they name a hub.

    Weights inside an installed package or in a local folder stay.

    Args:
        cfg: a config with ``model.backbone`` and ``model.text_encoder``.
        tokenizer: folder of the tokenizer for a text encoder that is built at random; see
            :func:`write_placeholder_tokenizer`.
        tiny: one block a stage and one layer, for tests; the widths stay.

    Raises:
        KeyError: a hub name whose architecture is not known here.
    """
    cfg = deepcopy(cfg)
    for role in ('backbone', 'text_encoder'):
        encoder = cfg.model[role]
        name = encoder.get('model')
        if not isinstance(name, str) or name.startswith('package:') or Path(name).exists():
            continue
        if name not in ARCHITECTURES:
            raise KeyError(
                f'model.{role}.model: the architecture of {name!r} is not known; '
                f'known are {sorted(ARCHITECTURES)}')
        known = ARCHITECTURES[name]
        encoder.model = {**known, **{k: v for k, v in TINY.items() if tiny and k in known}}
        if role == 'text_encoder':
            encoder.tokenizer = str(tokenizer)
    return cfg


def write_placeholder_tokenizer(folder: str | Path) -> str:
    """Write a tokenizer of CLIP's shape: start token, one token a word, end token.

    Every word is the same unknown token; only the number of tokens of a prompt is right.

    Returns:
        The folder, for :func:`with_random_encoders`.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast
    words = {'<word>': 0, '<start>': 1, '<end>': 2}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token='<word>'))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single='<start> $A <end>', special_tokens=[('<start>', 1), ('<end>', 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token='<word>', bos_token='<start>', eos_token='<end>',
        pad_token='<end>', model_max_length=77).save_pretrained(folder)
    return str(folder)
