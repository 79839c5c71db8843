"""A tiny ExpAlign with random encoders, and samples for it."""

from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from .tokenizers import make_bert_tokenizer, tiny_bert_config


def tiny_detector_config(tokenizer_folder: str | Path, token_pooling: str = 'expectation') -> dict:
    """Configuration of a detector that builds in a blink: every width below 25."""
    widths = [8, 16, 24]
    return ConfigDict(
        type='expalign.ExpAlignDetector',
        data_preprocessor=dict(type='mmdet.DetDataPreprocessor', pad_size_divisor=32),
        backbone=dict(
            type='expalign.DINOv3ConvNeXt',
            model=dict(hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1])),
        text_encoder=dict(
            type='expalign.HFTokenEncoder', model=tiny_bert_config(),
            tokenizer=make_bert_tokenizer(tokenizer_folder)),
        text_adapter=dict(
            type='expalign.TextAdapter', in_channels=16, out_channels=10,
            token_pooling=token_pooling),
        neck=dict(
            type='expalign.EAHNeck',
            pafpn=dict(
                type='expalign.ExpAlignPAFPN', in_channels=widths, out_channels=[8, 8, 8],
                num_csp_blocks=1),
            in_channels=[8, 8, 8], embed_dims=10, num_base_prompts=8),
        bbox_head=dict(
            type='expalign.ExpAlignHead',
            head_module=dict(type='expalign.ExpAlignHeadModule', in_channels=[8, 8, 8])),
        train_cfg=dict(assigner=dict(
            type='mmyolo.BatchTaskAlignedAssigner', num_classes=80, use_ciou=True, topk=10,
            alpha=0.5, beta=6.0, eps=1e-9)),
        test_cfg=dict(
            multi_label=True, nms_pre=30000, score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.7), max_per_img=50))


def tiny_segmentation_config(tokenizer_folder: str | Path) -> dict:
    """:func:`tiny_detector_config` with masks and both consistency losses."""
    config = tiny_detector_config(tokenizer_folder)
    config.bbox_head = ConfigDict(
        type='expalign.ExpAlignInsHead',
        head_module=dict(
            type='expalign.ExpAlignInsHeadModule', in_channels=[8, 8, 8], num_prototypes=4,
            prototype_channels=8))
    config.consistency = ConfigDict(type='expalign.ConsistencyRegularizer')
    return config


def sample(text=None, boxes=((4, 4, 40, 40),), labels=(0,), size=64, **meta) -> DetDataSample:
    """A data sample of a square image with instances and, unless None, a text."""
    meta = dict(
        img_id=1, ori_shape=(size, size), img_shape=(size, size), scale_factor=(1.0, 1.0),
        pad_param=(0, 0, 0, 0), **meta)
    if text is not None:
        meta['text'] = text
    data_sample = DetDataSample(metainfo=meta)
    data_sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long))
    return data_sample
