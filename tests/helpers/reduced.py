"""One override that makes the model of any shipped config small, and two iterations of it.

Every width is divided by the same number, so that parts which do not fit at full size do not fit
here either.
"""

from pathlib import Path

import numpy as np
import torch
from benchmarks.random_encoders import with_random_encoders, write_placeholder_tokenizer
from mmdet.structures.mask import PolygonMasks
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, build_optim_wrapper

from expalign.registry import MODELS

from .models import sample
from .tokenizers import make_bert_tokenizer, tiny_bert_config

DIVISOR = 8
WIDTHS = ('in_channels', 'out_channels', 'embed_dims', 'hidden_sizes', 'hidden_size',
          'projection_dim')
MINILM_WIDTH = 384
IMAGE_SIZE = 64


class Reduction:
    """The override; it keeps the tokenizers and vectors that it writes in one folder.

    Args:
        folder: an existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self.clip_tokenizer = write_placeholder_tokenizer(folder / 'clip')
        self.bert_tokenizer = make_bert_tokenizer(folder / 'bert')
        self.vectors = str(folder / 'vectors.npz')
        np.savez(self.vectors, names=['cat', 'dog'],
                 vectors=np.eye(2, 512 // DIVISOR, dtype=np.float32))

    def __call__(self, path: str | Path) -> Config:
        """Read a config and make its model small; the rest is as in the file."""
        return self.shrink(Config.fromfile(path))

    def shrink(self, cfg: Config) -> Config:
        """Make the model of a config small."""
        cfg = with_random_encoders(cfg, self.clip_tokenizer, tiny=True)
        model = cfg.model
        if model.text_encoder.type == 'expalign.PromptVectorEncoder':
            model.text_encoder.vectors = self.vectors
        elif model.text_encoder.type == 'expalign.HFTokenEncoder':
            model.text_encoder.update(
                model=tiny_bert_config(hidden_size=MINILM_WIDTH, num_hidden_layers=1),
                tokenizer=self.bert_tokenizer)
        if model.get('known_names'):
            model.known_names.vectors = self.vectors
        pafpn, fixed = model.neck.pafpn, {}
        if model.backbone.type == 'expalign.EfficientNetLite':
            model.backbone.model = None  # random; the whole model is small as it is
            return cfg
        if model.backbone.type == 'mmyolo.YOLOv8CSPDarknet':
            model.backbone.widen_factor = model.backbone.get('widen_factor', 1.0) / DIVISOR
            model.backbone.deepen_factor = 0.33
        if 'widen_factor' in pafpn:
            fixed = dict(
                in_channels=pafpn.in_channels, out_channels=pafpn.out_channels,
                widen_factor=pafpn.widen_factor / DIVISOR, deepen_factor=0.33)
        _divide_widths(model)
        pafpn.update(num_csp_blocks=1, **fixed)
        return cfg


def _divide_widths(node) -> None:
    """Divide every width in a tree of dicts, in place."""
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in WIDTHS:
            divided = [width // DIVISOR for width in np.atleast_1d(value).tolist()]
            node[key] = divided if isinstance(value, list | tuple) else divided[0]
        else:
            _divide_widths(value)


def batch() -> dict:
    """Two images with prompts, boxes and masks, as the dataloader gives them."""
    square = np.array([4, 4, 40, 4, 40, 40, 4, 40], dtype=np.float32)
    samples = [sample(['cat', 'dog'], labels=(1,)), sample(['dog'])]
    for data_sample in samples:
        data_sample.gt_instances.masks = PolygonMasks([[square]], IMAGE_SIZE, IMAGE_SIZE)
        data_sample.set_metainfo(dict(batch_input_shape=(IMAGE_SIZE, IMAGE_SIZE)))
    images = torch.randint(
        0, 255, (2, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8,
        generator=torch.Generator().manual_seed(0))
    return dict(inputs=list(images), data_samples=samples)


def train_twice(cfg: Config) -> tuple[BaseModel, OptimWrapper, list[dict]]:
    """Build model and optimiser as a runner does, and train for two iterations.

    Returns:
        the model, the optimiser's wrapper and the losses of each iteration.
    """
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    if cfg.model.type == 'expalign.ExpAlignDetector' and cfg.model.text_encoder.get('frozen', True):
        model.known_names = None  # the config is for predictions; recipes say so themselves
    model.init_weights()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    model.train()
    return model, optim_wrapper, [model.train_step(batch(), optim_wrapper) for _ in range(2)]
