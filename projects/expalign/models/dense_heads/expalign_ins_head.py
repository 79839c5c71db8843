"""Segmentation head: YOLOv8-seg's prototypes and coefficients on top of the detection head.

Axes: B images, K prompts, N priors of all levels, G instances, M prototypes, h x w cells of the
prototypes (stride 4).

The mask logits of a location are its M coefficients times the M prototype maps. Instances
without a mask teach boxes and classes only.
"""

from collections.abc import Sequence

import torch
from mmdet.utils import InstanceList, reduce_mean
from mmengine.dist import get_world_size
from mmyolo.models.dense_heads.yolov5_ins_head import ProtoModule
from torch import Tensor, nn

from expalign.models.layers import conv_branch
from expalign.registry import MODELS
from expalign.structures.letterbox import scale_and_pad
from expalign.structures.truth_batch import TruthBatch

from .expalign_head import ExpAlignHead
from .expalign_head_module import ExpAlignHeadModule, each_level
from .levels import at_least_float32, flatten_levels
from .mask_crops import Frame
from .mask_decode import decode_batch
from .mask_loss import mask_loss_sum


class PrototypeBranch(ProtoModule):
    """YOLOv8's prototypes: mmyolo's of YOLOv5, enlarged by a learnt convolution.

    Maps P3 (B, in_channels, H, W) to (B, mask_channels, 2H, 2W).
    """

    def __init__(self, in_channels: int, middle_channels: int, mask_channels: int, **kwargs):
        super().__init__(
            in_channels=in_channels, middle_channels=middle_channels,
            mask_channels=mask_channels, **kwargs)
        self.upsample = nn.ConvTranspose2d(middle_channels, middle_channels, 2, stride=2)


@MODELS.register_module()
class ExpAlignInsHeadModule(ExpAlignHeadModule):
    """Parameters of the detection head, mask coefficients per level, and prototypes from P3.

    Args:
        in_channels: widths of P3, P4, P5.
        num_prototypes: M.
        prototype_channels: hidden width of the prototypes' branch.
        norm_cfg, act_cfg: of the convolutions.
        kwargs: see :class:`ExpAlignHeadModule`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_prototypes: int = 32,
        prototype_channels: int = 256,
        norm_cfg: dict = dict(type='BN', momentum=0.03, eps=0.001),
        act_cfg: dict = dict(type='SiLU', inplace=True),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, norm_cfg=norm_cfg, act_cfg=act_cfg, **kwargs)
        hidden = max(in_channels[0] // 4, num_prototypes)
        self.coeff_branches = nn.ModuleList(
            conv_branch(channels, hidden, num_prototypes, norm_cfg, act_cfg)
            for channels in in_channels)
        self.prototype_branch = PrototypeBranch(
            in_channels[0], prototype_channels, num_prototypes, norm_cfg=norm_cfg,
            act_cfg=act_cfg)
        self.prototype_stride = self.featmap_strides[0] // 2

    def forward(
        self, pyramid: Sequence[Tensor], eams: Sequence[Tensor]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...], Tensor]:
        """What the detection head gives, with mask coefficients and prototypes.

        Args:
            pyramid: P3, P4, P5, each (B, C_s, H_s, W_s).
            eams: see :meth:`ExpAlignHeadModule.forward`.

        Returns:
            logits, each (B, K, H_s, W_s), distribution logits, each (B, 4 * reg_max, H_s, W_s),
            coefficients, each (B, M, H_s, W_s), and prototypes (B, M, h, w).
        """
        return super().forward(pyramid, eams)

    def maps(self, pyramid: Sequence[Tensor]) -> tuple[tuple[Tensor, ...] | Tensor, ...]:
        """What is made of the pyramid alone: distribution logits, coefficients and prototypes."""
        return (*super().maps(pyramid), each_level(self.coeff_branches, pyramid),
                self.prototype_branch(pyramid[0]))


@MODELS.register_module()
class ExpAlignInsHead(ExpAlignHead):
    """Open-vocabulary YOLOv8-seg head.

    Args:
        loss_mask_weight: gain of the mask loss.
        kwargs: see :class:`ExpAlignHead`. ``test_cfg`` may also have ``mask_format``, ``'rle'``
            (default) or ``'dense'``, and ``max_dense_bytes``; see
            :func:`~.mask_decode.decode_batch`.
    """

    def __init__(self, head_module: dict, loss_mask_weight: float = 7.5, **kwargs) -> None:
        super().__init__(head_module=head_module, **kwargs)
        self.loss_mask_weight = loss_mask_weight

    def loss_by_feat(
        self,
        logits: Sequence[Tensor],
        dists: Sequence[Tensor],
        coeffs: Sequence[Tensor],
        prototypes: Tensor,
        prompt_masks: Tensor,
        batch_gt_instances: TruthBatch | InstanceList,
    ) -> dict[str, Tensor]:
        """Losses of the detection head, and of masks.

        The mask loss is the mean of :func:`mask_loss_sum`'s terms over the foreground locations
        of all processes whose instance has a mask, times the number of images of the global
        batch like the other losses; zero if there is no such location.

        Args:
            logits, dists, prompt_masks: see :meth:`ExpAlignHead.loss_by_feat`.
            coeffs: per level (B, M, H, W).
            prototypes: (B, M, h, w).
            batch_gt_instances: the padded instances, or per image also ``mask_grid`` or ``masks``,
                and ``has_mask``; see :meth:`~expalign.structures.TruthBatch.of`. Without masks
                no instance has one.

        Returns:
            dict of ``loss_cls``, ``loss_bbox``, ``loss_dfl``, ``loss_mask``.
        """
        truth = TruthBatch.of(batch_gt_instances)
        losses, targets = self._losses_and_targets(logits, dists, prompt_masks, truth)
        losses['loss_mask'] = self._mask_loss(coeffs, prototypes, targets, truth)
        return losses

    def _mask_loss(
        self,
        coeffs: Sequence[Tensor],
        prototypes: Tensor,
        targets: dict[str, Tensor],
        truth: TruthBatch,
    ) -> Tensor:
        prototypes = at_least_float32(prototypes)
        index = targets['candidates']  # (B, P)
        instances = targets['assigned_instances'].gather(1, index)
        weights = targets['chosen'] & truth.has_mask.gather(1, instances)
        picked = flatten_levels(coeffs)
        picked = picked.gather(1, index[..., None].expand(-1, -1, picked.shape[-1]))  # (B, P, M)
        boxes = truth.boxes.gather(1, instances[..., None].expand(-1, -1, 4))
        with torch.autocast(prototypes.device.type, enabled=False):
            total = mask_loss_sum(
                picked, prototypes, truth.masks_on(prototypes.shape[2:]), instances,
                boxes.to(picked) / self.head_module.prototype_stride, weights.to(picked.dtype))
        world_size = get_world_size()
        norm = reduce_mean(weights.sum().to(total.dtype)).clamp(min=1 / world_size)
        return self.loss_mask_weight * total / norm * len(prototypes) * world_size

    def predict_by_feat(
        self,
        logits: Sequence[Tensor],
        dists: Sequence[Tensor],
        coeffs: Sequence[Tensor],
        prototypes: Tensor,
        prompt_masks: Tensor,
        batch_img_metas: Sequence[dict],
        rescale: bool = True,
        keep_priors: bool = False,
    ) -> InstanceList:
        """Detections with masks, which are cut at their boxes.

        Args:
            logits, dists, prompt_masks, batch_img_metas, rescale, keep_priors: see
                :meth:`ExpAlignHead.predict_by_feat`.
            coeffs: per level (B, M, H, W).
            prototypes: (B, M, h, w).

        Returns:
            per image also ``masks``, n of the size of the original image (of the input, if not
            ``rescale``): :class:`RLEMasks` or, where ``test_cfg.mask_format`` is ``'dense'``,
            a bool tensor (n, H, W).
        """
        found = self._detect(
            logits, dists, prompt_masks, batch_img_metas, rescale, (*coeffs, prototypes))
        results = found.instances(keep_priors)
        prototypes = at_least_float32(prototypes)
        coeffs = flatten_levels(coeffs)
        coeffs = coeffs.gather(1, found.priors[..., None].expand(-1, -1, coeffs.shape[2]))
        with torch.autocast(prototypes.device.type, enabled=False):
            masks = decode_batch(
                lambda images: torch.einsum('bnm,bmhw->bnhw', coeffs[images], prototypes[images]),
                found.corners(),
                self._frames(prototypes, batch_img_metas, rescale),
                (coeffs.shape[1], *prototypes.shape[2:]), self.head_module.prototype_stride,
                **{name: self.test_cfg[name] for name in ('mask_format', 'max_dense_bytes')
                   if name in self.test_cfg})
        for instances, own in zip(results, masks, strict=True):
            instances.masks = own
        return results

    def _frames(
        self, prototypes: Tensor, batch_img_metas: Sequence[dict], rescale: bool
    ) -> list[Frame]:
        """How the masks lie in the input: as the images do, or, not rescaled, as the input."""
        if not rescale:
            stride = self.head_module.prototype_stride
            size = tuple(stride * cells for cells in prototypes.shape[2:])
            return [Frame(size)] * len(batch_img_metas)
        return [Frame(tuple(meta['ori_shape'][:2]), *scale_and_pad(meta))
                for meta in batch_img_metas]
