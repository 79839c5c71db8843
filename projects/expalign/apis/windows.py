"""Large images: the whole image and overlapping windows of it, with merged results."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pycocotools.mask as coco_mask
import torch
from mmcv.ops import batched_nms
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from expalign.datasets.transforms.loading import read_image
from expalign.structures.letterbox import clip_boxes
from expalign.structures.rle_masks import RLEMasks, encode_crop

from .images import Image
from .texts import Texts, prompts_of_images

if TYPE_CHECKING:
    from .inferencer import ExpAlignInferencer


def search_windows(
    inferencer: 'ExpAlignInferencer', image: Image, texts: Texts | None, custom_entities: bool,
    patch_size: int, overlap: float, iou_threshold: float, batch_size: int,
) -> DetDataSample:
    """See :meth:`~.inferencer.ExpAlignInferencer.detect_large`."""
    pixels = image if isinstance(image, np.ndarray) else read_image(image)
    size = pixels.shape[:2]
    corners = window_corners(size, patch_size, overlap)
    # An image that fits into one window is not searched twice.
    corners = [(0, 0), *corners] if len(corners) > 1 else corners
    parts = [pixels, *cut_windows(pixels, corners[1:], patch_size)]
    if texts is not None:
        texts = next(iter(prompts_of_images(texts, 1, custom_entities)))
        texts = [texts] * len(parts)
    samples = [sample for _, sample in inferencer.stream(parts, texts, batch_size=batch_size)]
    merged, model = samples[0].clone(), inferencer.model
    settings = model.bbox_head.test_cfg
    found = merge_windows(
        samples, corners, size, iou_threshold, settings.max_per_img,
        bool(settings.nms.get('class_agnostic')) or model.asks_everything(merged))
    merged.pred_instances = model.one_class_each(found, merged)
    if not isinstance(image, np.ndarray):
        merged.set_metainfo(dict(img_path=image))
    return merged


def window_corners(
    size: tuple[int, int], patch_size: int, overlap: float
) -> list[tuple[int, int]]:
    """Left top corners (x, y) of square windows that cover an image.

    Neighbours share at least ``overlap`` of a side. The last window of a row or column ends at
    the image's border, so that all have the same size unless the image is smaller.

    Args:
        size: height and width of the image.
        patch_size: side of a window in pixels.
        overlap: in [0, 1).

    Raises:
        ValueError: ``patch_size`` or ``overlap`` is out of range.
    """
    if patch_size < 1 or not 0 <= overlap < 1:
        raise ValueError(
            f'windows need a patch size of 1 or more and an overlap in [0, 1), got {patch_size} '
            f'and {overlap}')
    ys, xs = (_starts(side, patch_size, overlap) for side in size)
    return [(x, y) for y in ys for x in xs]


def _starts(side: int, patch_size: int, overlap: float) -> list[int]:
    last = max(0, side - patch_size)
    step = max(1, int(patch_size * (1 - overlap)))
    return [*range(0, last, step), last]


def cut_windows(
    image: np.ndarray, corners: Iterable[tuple[int, int]], patch_size: int
) -> list[np.ndarray]:
    """The parts (h, w, 3) of an image at the corners."""
    return [np.ascontiguousarray(image[y:y + patch_size, x:x + patch_size]) for x, y in corners]


def merge_windows(
    samples: Sequence[DetDataSample],
    corners: Sequence[tuple[int, int]],
    size: tuple[int, int],
    iou_threshold: float,
    max_per_img: int,
    class_agnostic: bool = False,
) -> InstanceData:
    """Predictions of windows as predictions of the image.

    Args:
        samples: predictions of each window in its own pixels.
        corners: left top corner (x, y) of each window in the image; the whole image has (0, 0).
        size: height and width of the image.
        iou_threshold: of the NMS between windows.
        max_per_img: how many of the best are kept.
        class_agnostic: whether boxes of different prompts suppress each other.

    Returns:
        ``bboxes``, ``scores``, ``labels``, ``label_names`` and, where the windows have them,
        ``masks`` of the size of the image, each from the window that its box is from; by falling
        score.
    """
    shifted = [_shift(sample.pred_instances, corner, size)
               for sample, corner in zip(samples, corners, strict=True)]
    merged = InstanceData.cat(shifted)
    keep = merged.labels
    if len(merged):
        _, keep = batched_nms(
            merged.bboxes, merged.scores, merged.labels,
            dict(type='nms', iou_threshold=iou_threshold), class_agnostic=class_agnostic)
    keep = keep[:max_per_img]
    kept = merged[keep]
    if all('masks' in sample.pred_instances for sample in samples):
        masks = [(mask, corner) for sample, corner in zip(samples, corners, strict=True)
                 for mask in sample.pred_instances.masks]
        # Of what is kept alone: on a large image there are many windows.
        kept.masks = RLEMasks(
            (_shift_mask(*masks[index], size) for index in keep.tolist()), size)
    return kept


def _shift(found: InstanceData, corner: tuple[int, int], size: tuple[int, int]) -> InstanceData:
    """Boxes, scores and labels in pixels of the image."""
    offset = found.bboxes.new_tensor([*corner, *corner])
    return InstanceData(
        bboxes=clip_boxes(found.bboxes + offset, size), scores=found.scores, labels=found.labels,
        label_names=found.label_names)


def _shift_mask(mask: dict | torch.Tensor, corner: tuple[int, int], size: tuple[int, int]) -> dict:
    pixels = coco_mask.decode(mask) if isinstance(mask, dict) else mask.cpu().numpy()
    (x, y), (height, width) = corner, size
    return encode_crop(pixels.astype(bool)[:height - y, :width - x], x, y, size)
