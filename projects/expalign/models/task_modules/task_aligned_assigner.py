"""Task-aligned assignment (TOOD) without a value that goes back to the host.

Axes: B images, K prompts, N priors, G instances of the image with most, t = ``topk``.
"""

import torch
from mmyolo.models.task_modules import BatchTaskAlignedAssigner
from mmyolo.models.task_modules.assigners.utils import yolov6_iou_calculator
from torch import Tensor

from expalign.models.losses.complete_iou import complete_iou
from expalign.registry import TASK_UTILS

INSIDE_EPS = 1e-9


@TASK_UTILS.register_module()
class TaskAlignedAssigner(BatchTaskAlignedAssigner):
    """mmyolo's assigner, whose targets it gives, for a device that is not to be waited for.

    mmyolo's looks at a maximum on the host, indexes with tensors of the host and builds one-hot
    tensors of (B, G, t, N) long. Here all is done with maps of (B, G, N), and the candidates of
    the instances come with the targets: a list of fixed length that has every foreground prior
    once, for losses to gather.

    Args:
        kwargs: mmyolo's; the number of classes is that of the scores.
    """

    def __init__(self, num_classes: int = 0, **kwargs) -> None:
        super().__init__(num_classes=num_classes, **kwargs)

    @classmethod
    def like(cls, other: BatchTaskAlignedAssigner) -> 'TaskAlignedAssigner':
        """One with the settings of mmyolo's."""
        if isinstance(other, cls):
            return other
        return cls(topk=other.topk, alpha=other.alpha, beta=other.beta, eps=other.eps,
                   use_ciou=other.use_ciou)

    @torch.no_grad()
    def forward(
        self, pred_bboxes: Tensor, pred_scores: Tensor, priors: Tensor, gt_labels: Tensor,
        gt_bboxes: Tensor, pad_bbox_flag: Tensor,
    ) -> dict[str, Tensor]:
        """Assign instances to priors.

        Args:
            pred_bboxes: (B, N, 4) xyxy.
            pred_scores: (B, N, K) in [0, 1].
            priors: (N, 2 or more), x and y first.
            gt_labels: (B, G, 1), 0 at padding; G is 1 or more.
            gt_bboxes: (B, G, 4) xyxy.
            pad_bbox_flag: (B, G, 1), 0 at padding.

        Returns:
            mmyolo's ``assigned_labels`` (B, N), ``assigned_bboxes`` (B, N, 4), ``assigned_scores``
            (B, N, K) and ``fg_mask_pre_prior`` (B, N) bool; ``assigned_instances`` (B, N), the
            instance of each prior; and ``candidates`` (B, G * t), priors among which every
            foreground prior is chosen once by ``chosen`` (B, G * t) bool.
        """
        labels, real = gt_labels[..., 0].long(), pad_bbox_flag.bool()  # (B, G), (B, G, 1)
        metrics, overlaps = self._metrics(pred_bboxes, pred_scores, labels, gt_bboxes)
        inside = _inside(priors[:, :2], gt_bboxes) & real  # (B, G, N)
        candidates = (metrics * inside).topk(min(self.topk, len(priors))).indices
        picked = torch.zeros_like(inside).scatter_(2, candidates, True) & inside
        instances, foreground, first = _one_instance_each(picked, overlaps)
        # A prior that several instances have picked is listed by each: the first one counts.
        order = torch.arange(labels.shape[1], device=labels.device)[:, None]
        listed = picked.gather(2, candidates) & (
            first[:, None].expand_as(metrics).gather(2, candidates) == order)
        assigned_labels = labels.gather(1, instances)
        scores = self._soft_scores(metrics, overlaps, instances, foreground)
        return dict(
            assigned_labels=assigned_labels,
            assigned_bboxes=gt_bboxes.gather(1, instances[..., None].expand(-1, -1, 4)),
            assigned_scores=torch.zeros_like(pred_scores).scatter_(
                2, assigned_labels[..., None], scores[..., None].to(pred_scores.dtype)),
            fg_mask_pre_prior=foreground,
            assigned_instances=instances,
            candidates=candidates.flatten(1),
            chosen=listed.flatten(1))

    def _metrics(
        self, boxes: Tensor, scores: Tensor, labels: Tensor, gt_boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Alignment metrics and overlaps, (B, G, N) both."""
        index = labels[:, None].expand(-1, scores.shape[1], -1)
        own_scores = scores.gather(2, index).transpose(1, 2)  # (B, G, N)
        if self.use_ciou:
            overlaps = complete_iou(boxes[:, None], gt_boxes[:, :, None]).clamp(min=0)
        else:
            overlaps = yolov6_iou_calculator(gt_boxes, boxes)
        return own_scores.pow(self.alpha) * overlaps.pow(self.beta), overlaps

    def _soft_scores(
        self, metrics: Tensor, overlaps: Tensor, instances: Tensor, foreground: Tensor
    ) -> Tensor:
        """The target of every prior's own class, (B, N); 0 at background."""
        order = torch.arange(metrics.shape[1], device=metrics.device)[:, None]
        own = (instances[:, None] == order) & foreground[:, None]  # (B, G, N)
        metrics = metrics * own
        best = (overlaps * own).amax(2, keepdim=True) / (
            metrics.amax(2, keepdim=True) + self.eps)
        return (metrics * best).amax(1)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Whether points (N, 2) lie inside boxes (B, G, 4), (B, G, N) bool."""
    low, high = boxes[:, :, None].unflatten(-1, (2, 2)).unbind(-2)  # (B, G, 1, 2) each
    return ((points - low).minimum(high - points) > INSIDE_EPS).all(-1)


def _one_instance_each(picked: Tensor, overlaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The instance of every prior, of the largest overlap of all where several have picked it.

    Args:
        picked: (B, G, N) bool.
        overlaps: (B, G, N).

    Returns:
        instance (B, N), whether there is one (B, N), and the first that picked the prior (B, N).
    """
    first = picked.to(torch.uint8).argmax(1)
    times = picked.sum(1)
    return torch.where(times > 1, overlaps.argmax(1), first), times > 0, first
