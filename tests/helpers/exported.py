"""Tiny detectors with their ONNX files, and what PyTorch finds with them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .models import tiny_detector_config, tiny_segmentation_config
from .tokenizers import make_clip_tokenizer, tiny_clip_config

IMAGES = ['demo/data/mini/val2017/000000214753.jpg', 'demo/data/mini/val2017/000000160012.jpg']
FORMS = ('none', 'max_sigmoid', 'masks', 'clip')


@dataclass
class Exported:
    """A detector in both forms."""

    cfg: Any
    model: nn.Module
    folder: Path

    @property
    def detector_file(self) -> Path:
        return self.folder / 'm.onnx'

    @property
    def text_file(self) -> Path:
        return self.folder / 'text.onnx'

    def settings(self, **kwargs):
        from expalign.deploy.export_settings import detector_settings
        return detector_settings(
            self.cfg, self.model, **(dict(vocabulary=None, nms_inside=False) | kwargs))

    def onnx(self, **kwargs):
        from expalign.runtime import OnnxDetector
        return OnnxDetector(self.detector_file, self.text_file, threads=1, **kwargs)

    def torch(self, image: str, texts: list[str], size: int = 640):
        """PyTorch's detections through mmdet and the test pipeline."""
        from copy import deepcopy

        from mmcv.transforms import Compose
        from mmdet.apis import inference_detector
        steps = deepcopy(self.cfg.test_dataloader.dataset.pipeline)
        steps = [step for step in steps if 'LoadAnnotations' not in step.type]
        for step in steps:
            if 'scale' in step:
                step.scale = (size, size)
        sample = inference_detector(self.model, image, Compose(steps), text_prompt=texts)
        return sample.pred_instances


def model_config(form: str, folder: Path):
    """Config of a tiny detector."""
    config = (tiny_segmentation_config if form == 'masks' else tiny_detector_config)(folder)
    if form == 'masks':
        config.pop('consistency')
    if form == 'max_sigmoid':
        config.neck.inject = 'max_sigmoid'
    if form == 'clip':
        config.text_encoder = dict(
            type='expalign.CLIPTokenEncoder', model=tiny_clip_config(),
            tokenizer=make_clip_tokenizer(folder))
        config.text_adapter.in_channels = 12
    config.data_preprocessor.update(
        mean=[127.0, 127.0, 127.0], std=[64.0, 64.0, 64.0], bgr_to_rgb=True)
    config.test_cfg.score_thr = 0.01
    return config


@torch.no_grad()
def spread_weights(model: nn.Module) -> None:
    """Untrained weights whose scores differ by more than rounding from place to place."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=(2.0 / module.weight[0].numel()) ** 0.5)
    for branch in model.neck.embed_branches:
        branch[-1].weight.mul_(0.7)
    for name in ('biases', 'logit_scales'):
        for value in getattr(model.bbox_head.head_module, name):
            value.fill_(-3.0 if name == 'biases' else 0.7)


def make(form: str, folder: Path) -> Exported:
    """A tiny detector of a form on the CPU, without its files."""
    from mmengine.registry import init_default_scope

    from expalign.registry import MODELS
    from expalign.utils.load_config import load_config
    init_default_scope('mmdet')
    cfg = load_config('configs/warm_start/expalign_v8s_minilm.py')
    cfg.model = model_config(form, folder)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    spread_weights(model)
    model.cfg = cfg
    return Exported(cfg, model, folder)


def export(form: str, folder: Path) -> Exported:
    from expalign.deploy.export_graph import export_detector
    from expalign.deploy.export_text import export_text_side
    exported = make(form, folder)
    model = exported.model
    export_detector(model, exported.settings(), exported.detector_file)
    export_text_side(model, exported.text_file, 'tiny.py')
    return exported
