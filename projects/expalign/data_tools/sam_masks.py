"""Masks from boxes by SAM 2.1, and what is done to a mask before it is kept.

transformers' own image processor for SAM 2 needs torchvision, which this project does without; its
three steps (resize to a square, scale to 0..1, normalise) are written here.
"""

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor
from torch.nn import functional as F

from expalign.models.utils.pretrained import load_pretrained, read_optional_json

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class MaskRules:
    """How masks are made and which are kept.

    Args:
        threshold: a pixel belongs to a mask above this probability.
        min_component: parts smaller than this share of the largest part are removed.
        min_box_share: a mask smaller than this share of its box is rejected.
        min_box_iou: a mask is rejected if its extent overlaps its box (IoU) by less.
    """

    threshold: float = 0.5
    min_component: float = 0.05
    min_box_share: float = 0.05
    min_box_iou: float = 0.5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < 1 or (name == 'threshold' and not value):
                raise ValueError(f'{name} must lie between 0 and 1, got {value}')


def remove_small_parts(mask: np.ndarray, share: float) -> np.ndarray:
    """Keep the 8-connected parts of a mask (H, W) that have ``share`` of the largest one's area."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:  # background and one part
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return (areas >= max(share * areas.max(), 1))[parts]


def rejection(mask: np.ndarray, box: np.ndarray, rules: MaskRules) -> str | None:
    """Why a mask (H, W) is no mask of ``box`` (xyxy in pixels), or None."""
    area = int(np.count_nonzero(mask))
    if not area:
        return 'empty'
    box_area = float((box[2] - box[0]) * (box[3] - box[1]))
    if area < rules.min_box_share * box_area:
        return 'too small for its box'
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    extent = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=float)
    inner = np.minimum(extent[2:], box[2:]) - np.maximum(extent[:2], box[:2])
    overlap = float(np.prod(np.maximum(inner, 0)))
    union = box_area + float(np.prod(extent[2:] - extent[:2])) - overlap
    return 'extent differs from its box' if overlap < rules.min_box_iou * union else None


def encode(mask: np.ndarray) -> dict:
    """Compressed run-length encoding of a mask (H, W), fit for JSON."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {'size': [int(v) for v in rle['size']], 'counts': rle['counts'].decode('ascii')}


class Sam2Masks:
    """SAM 2.1 behind one method: images and boxes in, one mask a box out.

    Args:
        model: hub name, folder, or ``'package:NAME/SUBFOLDER'``.
        device: torch device.
        boxes_per_batch: boxes of one image that the mask decoder gets at a time.

    Raises:
        PretrainedModelError: the weights cannot be had or are not those of SAM 2.
    """

    def __init__(self, model: str, device: str = 'cpu', boxes_per_batch: int = 64) -> None:
        from transformers import Sam2Model
        owner = f'generate_sam_masks(model={model!r})'
        self.network = load_pretrained(Sam2Model, model, owner).to(device).eval()
        config = read_optional_json(model, 'preprocessor_config.json', owner, 'a local folder')
        self.device, self.boxes_per_batch = device, boxes_per_batch
        self.side = int(np.max(self.network.config.prompt_encoder_config.image_size))
        self._set_normalisation(config or {})

    def _set_normalisation(self, config: dict[str, Any]) -> None:
        mean = config.get('image_mean', IMAGENET_MEAN)
        std = config.get('image_std', IMAGENET_STD)
        self.mean, self.std = (
            torch.tensor(values, device=self.device).view(3, 1, 1) for values in (mean, std))

    def pixels(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 RGB to the network's (3, S, S); the sides are scaled independently."""
        pixels = torch.as_tensor(image, device=self.device).permute(2, 0, 1)[None].float()
        pixels = F.interpolate(pixels, (self.side, self.side), mode='bilinear', antialias=True)
        return (pixels[0] / 255 - self.mean) / self.std

    @torch.inference_mode()
    def logits(self, images: list[np.ndarray], boxes: list[np.ndarray]) -> list[Tensor]:
        """Mask logits (n, h, w) of each image's boxes (n, 4), on the decoder's grid.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; they go through the encoder as one batch.
            boxes: for each image its boxes, xyxy in pixels.
        """
        pyramid = self.network.get_image_embeddings(torch.stack([*map(self.pixels, images)]))
        return [self._decode([level[i:i + 1] for level in pyramid], image.shape, image_boxes)
                for i, (image, image_boxes) in enumerate(zip(images, boxes, strict=True))]

    def _decode(self, pyramid: list[Tensor], shape: tuple, boxes: np.ndarray) -> Tensor:
        scale = self.side / torch.tensor([shape[1], shape[0]] * 2)
        boxes = (torch.as_tensor(boxes, dtype=torch.float32) * scale).to(self.device)
        maps = [
            self.network(image_embeddings=pyramid, input_boxes=part[None],
                         multimask_output=False).pred_masks[0, :, 0]
            for part in boxes.split(self.boxes_per_batch)]
        return torch.cat(maps)


def mask_on_image(logits: Tensor, size: tuple[int, int], rules: MaskRules) -> np.ndarray:
    """Logits (h, w) to a cleaned bool mask of the image's (height, width)."""
    logits = F.interpolate(logits[None, None].float(), size, mode='bilinear', align_corners=False)
    mask = (torch.sigmoid(logits[0, 0]) > rules.threshold).cpu().numpy()
    return remove_small_parts(mask, rules.min_component)


def masks_of_image(logits: Tensor, boxes: np.ndarray, size: tuple[int, int],
                   rules: MaskRules) -> list[dict | str]:
    """For each box its encoded mask, or why it has none."""
    # One after the other: a hundred masks of a large photograph would be gigabytes.
    results = []
    for one, box in zip(logits, boxes, strict=True):
        mask = mask_on_image(one, size, rules)
        results.append(rejection(mask, box, rules) or encode(mask))
    return results
