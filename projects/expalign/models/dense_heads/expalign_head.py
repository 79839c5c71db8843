"""Detection head: alignment maps to class logits, the pyramid to DFL boxes (YOLOv8 family).

Axes: B images, K prompts, N priors of all levels, G ground-truth boxes.

The number of prompts belongs to a batch, not to the head, so loss and prediction are written for
open vocabularies; assigner, prior generator, coder and loss modules are mmyolo's and mmdet's.
"""

from collections.abc import Sequence

import torch
from mmdet.structures import SampleList
from mmdet.utils import InstanceList, reduce_mean
from mmengine.dist import get_world_size
from mmyolo.models.dense_heads import YOLOv8Head
from torch import Tensor

from expalign.models.necks import EAHOutput
from expalign.models.task_modules import TaskAlignedAssigner
from expalign.registry import MODELS
from expalign.structures.letterbox import boxes_to_originals, letterbox_frames
from expalign.structures.truth_batch import TruthBatch

from .class_wise_nms import is_greedy
from .detections import Attempt, Detections, find_detections, first_attempt
from .finite_outputs import refuse_non_finite
from .levels import at_least_float32, flatten_levels

KEPT_GRIDS = 8


@MODELS.register_module()
class ExpAlignHead(YOLOv8Head):
    """Open-vocabulary YOLOv8 head on alignment maps.

    Args:
        head_module: config of :class:`~.expalign_head_module.ExpAlignHeadModule`.
        prior_generator, bbox_coder, loss_cls, loss_bbox, loss_dfl: as in mmyolo's YOLOv8 head.
        train_cfg: ``assigner`` config, of :class:`TaskAlignedAssigner` or of mmyolo's, which it
            takes the place of.
        test_cfg: ``score_thr``, ``nms_pre``, ``nms``, ``max_per_img``, ``multi_label``,
            ``max_per_prompt`` (see :func:`~.candidates.select_candidates`).
    """

    def __init__(
        self,
        head_module: dict,
        prior_generator: dict = dict(
            type='mmdet.MlvlPointGenerator', offset=0.5, strides=[8, 16, 32]),
        bbox_coder: dict = dict(type='mmyolo.DistancePointBBoxCoder'),
        loss_cls: dict = dict(type='expalign.PromptBCELoss', loss_weight=0.5),
        loss_bbox: dict = dict(type='expalign.CIoULoss', loss_weight=7.5),
        # A sum over four sides under a gain of 1.5 / 4 is YOLOv8's mean over sides at 1.5.
        loss_dfl: dict = dict(type='expalign.DFLoss', loss_weight=1.5 / 4),
        **kwargs,
    ) -> None:
        # The parent's objectness loss is not part of YOLOv8, but is built and dropped by it.
        super().__init__(
            head_module=head_module, prior_generator=prior_generator, bbox_coder=bbox_coder,
            loss_cls=loss_cls, loss_bbox=loss_bbox, loss_dfl=loss_dfl, **kwargs)
        if self.train_cfg:
            self.assigner = TaskAlignedAssigner.like(self.assigner)
        proj = torch.arange(self.head_module.reg_max, dtype=torch.float)
        self.register_buffer('dfl_bins', proj, persistent=False)
        self._grids: dict[tuple, Tensor] = {}  # priors of the last sizes of maps

    def forward(self, neck_out: EAHOutput) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """See :meth:`~.expalign_head_module.ExpAlignHeadModule.forward`."""
        return self.head_module(neck_out.pyramid, neck_out.eams)

    def loss(
        self, neck_out: EAHOutput, prompt_masks: Tensor, truth: TruthBatch
    ) -> dict[str, Tensor]:
        """Losses of a batch; ``prompt_masks`` (B, K) bool is False where a prompt is padding."""
        return self.loss_by_feat(*self(neck_out), prompt_masks, truth)

    def loss_by_feat(
        self,
        logits: Sequence[Tensor],
        dists: Sequence[Tensor],
        prompt_masks: Tensor,
        batch_gt_instances: TruthBatch | InstanceList,
    ) -> dict[str, Tensor]:
        """Class (BCE), box (CIoU) and distribution (DFL) losses.

        Each is a sum over the batch of all processes, divided by the sum of assigned scores of
        all processes, and times the number of images of the global batch (mmyolo's convention;
        the division by the number of processes is done by averaging gradients).

        Args:
            logits: per level (B, K, H, W).
            dists: per level (B, 4 * reg_max, H, W).
            prompt_masks: (B, K) bool, False where a prompt takes no part in the class loss.
            batch_gt_instances: the padded instances, or per image ``bboxes`` (G, 4) xyxy in
                pixels of the input and ``labels`` (G), which index the image's prompts.

        Returns:
            dict of ``loss_cls``, ``loss_bbox``, ``loss_dfl``.
        """
        truth = TruthBatch.of(batch_gt_instances)
        return self._losses_and_targets(logits, dists, prompt_masks, truth)[0]

    def _losses_and_targets(
        self,
        logits: Sequence[Tensor],
        dists: Sequence[Tensor],
        prompt_masks: Tensor,
        truth: TruthBatch | InstanceList,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """:meth:`loss_by_feat` and the assigned targets, see :class:`TaskAlignedAssigner`."""
        priors, strides = self._priors(logits)  # (N, 3), (N, 1)
        cls_preds = flatten_levels(logits)  # (B, N, K)
        dist_preds = flatten_levels(dists)  # (B, N, 4 * reg_max)
        with torch.no_grad():
            boxes = self._decode(dist_preds, priors[:, :2], strides[:, 0])  # (B, N, 4)
        targets = self._assign(boxes, cls_preds, priors, truth)
        scores = targets['assigned_scores']
        # One assigned score of the global batch is the least the sums are divided by.
        norm = reduce_mean(scores.sum()).clamp(min=1 / get_world_size())
        loss_cls = self.loss_cls(
            cls_preds, scores, weight=prompt_masks[:, None].to(cls_preds.dtype),
            reduction_override='sum')
        loss_bbox, loss_dfl = self._box_losses(dist_preds, priors, targets, norm)
        images = len(prompt_masks) * get_world_size()
        losses = dict(
            loss_cls=loss_cls / norm * images,
            loss_bbox=loss_bbox * images,
            loss_dfl=loss_dfl * images)
        return losses, targets

    def _box_losses(
        self, dist_preds: Tensor, priors: Tensor, targets: dict[str, Tensor], norm: Tensor
    ) -> tuple[Tensor, Tensor]:
        """CIoU and DFL of the foreground, sums divided by ``norm``.

        The foreground is among a fixed number P of candidates an image, so that its number need
        not be known on the host. The others have the weight 0.
        """
        index = targets['candidates']  # (B, P)
        chosen = targets['chosen']
        dist_preds = dist_preds.gather(1, index[..., None].expand(-1, -1, dist_preds.shape[-1]))
        points, cells = priors[index, :2], priors[index, 2:3]  # (B, P, 2), (B, P, 1)
        goals = targets['assigned_bboxes'].gather(1, index[..., None].expand(-1, -1, 4)) / cells
        weight = targets['assigned_scores'].sum(-1).gather(1, index) * chosen  # (B, P)
        points = points / cells
        boxes = self._decode(dist_preds, points, torch.ones_like(points[0, :, 0]))
        # What is not foreground is compared with itself: its loss and gradient stay finite.
        own = torch.where(chosen[..., None], goals, boxes.detach())
        loss_bbox = (self.loss_bbox(
            boxes.flatten(0, 1), own.flatten(0, 1), reduction_override='none',
        ) * weight.flatten()).sum() / norm
        # Here true boxes for all: sides index the bins, which those of NaN predictions cannot.
        sides = self.bbox_coder.encode(
            points, goals, max_dis=self.head_module.reg_max - 1, eps=0.01)
        loss_dfl = self.loss_dfl(
            dist_preds.reshape(-1, self.head_module.reg_max),
            sides.reshape(-1),
            weight=weight[..., None].expand(-1, -1, 4).reshape(-1),
            avg_factor=norm)
        return loss_bbox, loss_dfl

    def predict(
        self,
        neck_out: EAHOutput,
        prompt_masks: Tensor,
        batch_data_samples: SampleList,
        rescale: bool = True,
    ) -> InstanceList:
        """Detections of a batch; ``prompt_masks`` (B, K) bool is False where not to predict."""
        metas = [sample.metainfo for sample in batch_data_samples]
        return self.predict_by_feat(*self(neck_out), prompt_masks, metas, rescale=rescale)

    def predict_by_feat(
        self,
        logits: Sequence[Tensor],
        dists: Sequence[Tensor],
        prompt_masks: Tensor,
        batch_img_metas: Sequence[dict],
        rescale: bool = True,
        keep_priors: bool = False,
    ) -> InstanceList:
        """Boxes, scores and labels of every image.

        Args:
            logits: per level (B, K, H, W).
            dists: per level (B, 4 * reg_max, H, W).
            prompt_masks: (B, K) bool.
            batch_img_metas: per image ``ori_shape``, and ``scale_factor`` and ``pad_param``
                when ``rescale``.
            rescale: whether boxes are in pixels of the original image (else of the input).
            keep_priors: whether results say which prior each box comes from.

        Returns:
            per image ``bboxes`` (n, 4) xyxy, ``scores`` (n), ``labels`` (n) and perhaps ``priors``
            (n), by falling score, on the CPU.

        Raises:
            NonFinitePrediction: outputs that are NaN or infinite; the message has the image.
        """
        return self._detect(
            logits, dists, prompt_masks, batch_img_metas, rescale).instances(keep_priors)

    def _detect(
        self,
        logits: Sequence[Tensor],
        dists: Sequence[Tensor],
        prompt_masks: Tensor,
        batch_img_metas: Sequence[dict],
        rescale: bool,
        others: Sequence[Tensor] = (),
    ) -> Detections:
        """:meth:`predict_by_feat`, before the results are handed out by image.

        ``others``: further outputs (B, ...) that are to be finite.
        """
        priors = self._priors(logits)[0]
        frames = letterbox_frames(batch_img_metas, priors) if rescale else None
        # In float32, and nothing converted again and again, whatever the network ran in.
        with torch.autocast(priors.device.type, enabled=False):
            attempt = self.first_attempt(
                str(self.test_cfg), logits, dists, others, priors, prompt_masks, frames)
            found = find_detections(attempt, prompt_masks, self.test_cfg, frames)
        refuse_non_finite(
            found.non_finite, len(priors), prompt_masks.shape[1], batch_img_metas)
        return found

    def nms_is_greedy(self) -> bool:
        """Whether a GPU does all of :meth:`first_attempt`; soft-NMS goes by the CPU."""
        return is_greedy(self.test_cfg['nms'])

    def first_attempt(
        self, settings: str, logits: Sequence[Tensor], dists: Sequence[Tensor],
        others: Sequence[Tensor], priors: Tensor, prompt_masks: Tensor, frames: Tensor | None,
    ) -> Attempt:
        """From the maps of the network to the first word of NMS: fixed shapes, nothing waits.

        It is what can be replayed as a graph. ``settings`` tells graphs of other settings apart.
        """
        boxes = self._decode(flatten_levels(dists), priors[:, :2], priors[:, 2])  # (B, N, 4)
        if frames is not None:
            boxes = boxes_to_originals(boxes, frames)
        flat_logits = torch.cat([x.flatten(2) for x in logits], 2)  # (B, K, N)
        return first_attempt(
            flat_logits, boxes, prompt_masks, self.test_cfg, frames, others)

    def _priors(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Points with strides (N, 3 or 4) and the strides alone (N, 1), in pixels."""
        kind = dict(dtype=at_least_float32(maps[0]).dtype, device=maps[0].device)
        sizes = [x.shape[2:] for x in maps]
        key = (*map(tuple, sizes), *kind.values())
        priors = None if torch.jit.is_tracing() else self._grids.get(key)
        if priors is None:
            # Not as a tensor of inference mode, which training could not use.
            with torch.inference_mode(False):
                priors = torch.cat(self.prior_generator.grid_priors(
                    sizes, with_stride=True, **kind))
            if not torch.jit.is_tracing():
                self._grids = dict([*self._grids.items()][1 - KEPT_GRIDS:]) | {key: priors}
        return priors, priors[:, 2:3]

    def _decode(self, dists: Tensor, points: Tensor, strides: Tensor) -> Tensor:
        """Expected side distances to boxes: (B, n, 4 * reg_max) -> (B, n, 4) xyxy in pixels."""
        bins = dists.unflatten(-1, (4, self.head_module.reg_max)).softmax(-1)
        distances = bins @ self.dfl_bins.to(bins.dtype)
        return self.bbox_coder.decode(points, distances, strides)

    @torch.no_grad()
    def _assign(
        self, boxes: Tensor, cls_preds: Tensor, priors: Tensor, truth: TruthBatch | InstanceList
    ) -> dict[str, Tensor]:
        """Task-aligned targets of the batch; see :class:`TaskAlignedAssigner`."""
        truth = TruthBatch.of(truth)
        return self.assigner(
            boxes, cls_preds.sigmoid(), priors, truth.labels[..., None], truth.boxes.to(boxes),
            truth.real[..., None])
