"""Settings of an exported detector, read from the config whose test pipeline it must equal."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from torch import nn

from expalign.models.data_preprocessor import channel_order
from expalign.models.prompt_fitting.space import prompt_space
from expalign.runtime.settings import DetectorSettings

RESIZE, LETTERBOX = 'mmyolo.YOLOv5KeepRatioResize', 'mmyolo.LetterResize'
NMS_KEYS = {'type', 'iou_threshold', 'class_agnostic'}


class ExportError(ValueError):
    """The model cannot be exported in the form that was asked for."""


def detector_settings(
    cfg: Config, model: nn.Module, vocabulary: Sequence[str] | None, nms_inside: bool
) -> DetectorSettings:
    """Settings of a model.

    Args:
        cfg: config with ``test_pipeline`` of a test data loader.
        model: the detector built from it.
        vocabulary: prompts baked into the graph, or None.
        nms_inside: whether the graph ends with NMS.

    Raises:
        ExportError: pipeline, NMS or normalisation are of a kind that the runtime does not know.
    """
    test_cfg = model.bbox_head.test_cfg
    nms = test_cfg.nms
    unknown = sorted(set(nms) - NMS_KEYS)
    if nms.get('type', 'nms') != 'nms' or unknown:
        raise ExportError(f'test_cfg.nms={dict(nms)}: only type="nms" can be exported')
    plain = test_cfg.get('multi_label', True) and test_cfg.get('max_per_prompt') is None and (
        not nms.get('class_agnostic', False))
    if nms_inside and not plain:
        raise ExportError(
            '--nms: multi_label=False, max_per_prompt and class_agnostic of test_cfg have no place '
            'in the ONNX operator; export without --nms, OnnxDetector does it outside')
    return DetectorSettings(
        image_size=_image_size(cfg), pad_value=114,
        channel_order=channel_order(model.data_preprocessor),
        embed_dims=model.neck.embed_dims,
        score_thr=test_cfg.score_thr, nms_pre=test_cfg.nms_pre, iou_threshold=nms.iou_threshold,
        class_agnostic=bool(nms.get('class_agnostic', False)), max_per_img=test_cfg.max_per_img,
        multi_label=bool(test_cfg.get('multi_label', True)),
        max_per_prompt=test_cfg.get('max_per_prompt'),
        prototype_stride=getattr(model.bbox_head.head_module, 'prototype_stride', None),
        nms_inside=nms_inside, vocabulary=None if vocabulary is None else list(vocabulary),
        known_classes=None if model.known_classes is None else model.known_classes.to_plain(),
        config=Path(cfg.filename).name if cfg.filename else '',
        guides=_guides(model, vocabulary or ()), image_side=prompt_space(model))


def _guides(model: nn.Module, vocabulary: Sequence[str]) -> str:
    if model.neck.inject == 'none':
        return 'none'
    return 'prompts' if model.guides_of(vocabulary) is None else 'fixed'


def _image_size(cfg: Config) -> tuple[int, int]:
    """Width and height of the letterbox of the test pipeline."""
    steps = {step['type']: step for step in cfg.test_dataloader.dataset.pipeline}
    expected = {
        RESIZE: dict(type=RESIZE),
        LETTERBOX: dict(type=LETTERBOX, allow_scale_up=False, pad_val=dict(img=114))}
    sizes = set()
    for kind, wanted in expected.items():
        step = dict(steps.get(kind, {}))
        sizes.add(tuple(step.pop('scale', ())))
        if step != wanted:
            raise ExportError(
                f'the test pipeline must have {kind} with {wanted}, as '
                f'configs/_base_/datasets/coco_detection.py, got {step or "none"}')
    size = sizes.pop()
    if sizes or len(set(size)) != 1 or size[0] % 32:
        raise ExportError(
            f'the test pipeline scales to {sorted({size, *sizes})}: {RESIZE} and {LETTERBOX} must '
            'have one scale, a square of multiples of 32')
    return size
