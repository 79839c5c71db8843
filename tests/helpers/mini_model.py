"""Untrained weights of the small model that give boxes."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.registry import init_default_scope

if TYPE_CHECKING:
    from expalign.apis import ExpAlignInferencer

CONFIG = 'configs/mini/expalign_mini.py'


def write_mini_weights(path: Path, config: str = CONFIG) -> str:
    """Write weights with token-dependent text features and biases that let boxes through."""
    from expalign.registry import MODELS
    from expalign.utils.load_config import load_config
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight, std=0.05)
    for bias in model.bbox_head.head_module.biases:
        torch.nn.init.constant_(bias, -3.0)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


def page_inferencer(folder: Path) -> 'ExpAlignInferencer':
    """An inferencer with few boxes, which the page draws fast, of scores that differ.

    Args:
        folder: where the weights are written.
    """
    from expalign.apis import ExpAlignInferencer
    weights = write_mini_weights(folder / 'mini.pth')
    inferencer = ExpAlignInferencer(CONFIG, weights, device='cpu', show_progress=False)
    inferencer.model.bbox_head.test_cfg.max_per_img = 20
    for scale in inferencer.model.bbox_head.head_module.logit_scales:
        scale.data.fill_(-2.0)
    return inferencer
