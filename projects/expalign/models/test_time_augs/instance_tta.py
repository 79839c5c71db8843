"""Test-time augmentation that merges boxes and masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as coco_mask
import torch
from mmcv.ops import batched_nms
from mmdet.models.test_time_augs import DetTTAModel
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from expalign.registry import MODELS
from expalign.structures.rle_masks import RLE, RLEMasks

LIMITS = ('nms', 'max_per_img')
# Axes of an image that a flip reverses.
FLIPPED_AXES = dict(horizontal=(-1,), vertical=(-2,), diagonal=(-2, -1))


@MODELS.register_module()
class InstanceTTAModel(DetTTAModel):
    """mmdet's ``DetTTAModel`` for models with masks.

    Instances of all views compete in one class-wise NMS on their boxes; each keeps the mask of the
    view that it comes from, flipped back where the view was flipped. Only the masks that stay are
    touched. Without masks the boxes, scores and labels are those of ``DetTTAModel``; the names
    of the labels are kept, too.

    Args:
        tta_cfg: ``nms`` and ``max_per_img`` of the merged instances; what it does not say is that
            of the model's ``test_cfg``.
        kwargs: ``module``, the config of the model, and ``data_preprocessor``.
    """

    def __init__(self, tta_cfg: dict | None = None, **kwargs: Any) -> None:
        super().__init__(tta_cfg=ConfigDict(tta_cfg or {}), **kwargs)
        limits = getattr(getattr(self.module, 'bbox_head', None), 'test_cfg', None) or {}
        for key in LIMITS:
            if key not in self.tta_cfg and key in limits:
                self.tta_cfg[key] = limits[key]

    def _merge_single_sample(self, data_samples: list[DetDataSample]) -> DetDataSample:
        """The sample of the unflipped view (the first, if all are flipped), with what is merged."""
        views = [sample.pred_instances for sample in data_samples]
        boxes, scores = self.merge_aug_bboxes(
            [view.bboxes for view in views], [view.scores for view in views],
            [sample.metainfo for sample in data_samples])
        labels = torch.cat([view.labels for view in views])
        keep = labels.new_zeros(0)
        if len(boxes):
            found, keep = batched_nms(boxes, scores, labels, dict(self.tta_cfg.nms))
            boxes, scores = found[:, :-1], found[:, -1]
            limit = self.tta_cfg.max_per_img
            boxes, scores, keep = boxes[:limit], scores[:limit], keep[:limit]
        merged = InstanceData(bboxes=boxes, scores=scores, labels=labels[keep])
        if all('label_names' in view for view in views):
            names = [name for view in views for name in view.label_names]
            merged.label_names = [names[index] for index in keep.tolist()]
        if all('masks' in view for view in views):
            merged.masks = merge_masks(
                [view.masks for view in views], keep,
                [sample.flip_direction if sample.flip else None for sample in data_samples])
        result = next((s for s in data_samples if not s.flip), data_samples[0])
        result.pred_instances = merged
        return result


def merge_masks(
    masks: Sequence[RLEMasks | Tensor], keep: Tensor, directions: Sequence[str | None]
) -> RLEMasks | Tensor:
    """The chosen masks of several views, on the unflipped image.

    Args:
        masks: per view its n masks, all RLE or all (n, H, W) bool.
        keep: indices into the views' masks laid end to end.
        directions: per view ``'horizontal'``, ``'vertical'``, ``'diagonal'`` or None.
    """
    starts = np.cumsum([0] + [len(view) for view in masks])
    owners = np.searchsorted(starts, keep.tolist(), side='right') - 1
    chosen = []
    for index, owner in zip(keep.tolist(), owners, strict=True):
        mask = masks[owner][int(index - starts[owner])]
        chosen.append(_flip(mask, directions[owner]) if directions[owner] else mask)
    if isinstance(masks[0], Tensor):
        return torch.stack(chosen) if chosen else masks[0][:0]
    return RLEMasks(chosen, masks[0].size)


def _flip(mask: RLE | Tensor, direction: str) -> dict | Tensor:
    axes = FLIPPED_AXES[direction]
    if isinstance(mask, Tensor):
        return mask.flip(axes)
    return coco_mask.encode(np.asfortranarray(np.flip(coco_mask.decode(mask), axes)))
