"""The detection and consistency losses of the text side, from cached maps of the image side.

With the image side frozen and its gates fixed, the boxes do not depend on the text: of the
detection losses only the class loss has a gradient, and it needs no network but the adapter.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from .cached_maps import INPUT_SIZE, SIDES, CachedMaps, FoldedHead


def detection_terms(
    maps: CachedMaps, head: FoldedHead, bbox_head: nn.Module, tokens: Tensor, masks: Tensor,
    batch_size: int = 4, consistency: nn.Module | None = None, seed: int = 0,
) -> Iterator[Callable[[nn.Module], Tensor]]:
    """Endless terms for :func:`~.refine.refine_adapter`, one batch of images each.

    Args:
        maps: images with ground truth whose labels index the prompts.
        head: of the image side.
        bbox_head: the ExpAlignHead, for its assigner and class loss.
        tokens, masks: (K, L, D) and (K, L), the encoder's tokens of the K class names.
        batch_size: images a term.
        consistency: ConsistencyRegularizer, or None.
        seed: of the order of the images.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(maps), generator=generator).tolist()
        for first in range(0, len(order) - batch_size + 1, batch_size):
            batch = order[first:first + batch_size]

            def term(adapter: nn.Module, batch: list[int] = batch) -> Tensor:
                feats, txt_masks = adapter(tokens, masks)
                eams = [head.alignment(maps.hidden(index), feats, txt_masks) for index in batch]
                loss = class_loss(bbox_head, maps, batch, [head.logits(eam) for eam in eams])
                if consistency is not None:
                    loss = loss + _consistency(consistency, maps, batch, eams)
                return loss
            yield term


def class_loss(
    bbox_head: nn.Module, maps: CachedMaps, batch: list[int], logits: list[Tensor]
) -> Tensor:
    """ExpAlignHead's class loss of a batch, per image.

    Args:
        logits: of every image, (K, N).
    """
    preds = torch.stack(logits).transpose(1, 2)  # (B, N, K)
    boxes = torch.stack([maps.boxes(index) for index in batch])
    sizes = [(side, side) for side in SIDES]
    priors = torch.cat(bbox_head.prior_generator.grid_priors(
        sizes, device=preds.device, with_stride=True))
    instances = [maps.ground_truth(index) for index in batch]
    targets = bbox_head._assign(boxes, preds, priors, instances)
    scores = targets['assigned_scores']
    return bbox_head.loss_cls(preds, scores).sum() / scores.sum().clamp(min=1)


def _consistency(
    consistency: nn.Module, maps: CachedMaps, batch: list[int], eams: list[list[Tensor]]
) -> Tensor:
    stacked = [
        torch.stack([image[level] for image in eams]).unflatten(2, (side, side))
        for level, side in enumerate(SIDES)]
    prompts = torch.ones(stacked[0].shape[:2], dtype=torch.bool)
    instances = [maps.ground_truth(index) for index in batch]
    return sum(consistency(stacked, prompts, instances, (INPUT_SIZE, INPUT_SIZE)).values())


