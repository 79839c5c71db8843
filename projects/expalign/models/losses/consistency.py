"""Consistency regularisation of the alignment maps, for the second training stage."""

from collections.abc import Sequence
from typing import Any

from mmdet.utils import InstanceList
from mmengine.config import ConfigDict
from torch import Tensor, nn

from expalign.registry import MODELS
from expalign.structures.truth_batch import TruthBatch

from .fusion import fuse_to_coarsest, fuse_to_finest
from .gaco_loss import GACOLoss
from .map_ops import check_choice, full_precision
from .target_masks import positive_prompts, target_masks

SEM_DEFAULTS = dict(type='expalign.MultiPositiveInfoNCELoss', loss_weight=0.5)
GEO_DEFAULTS = dict(type='expalign.GACOLoss', loss_weight=1.0)


@MODELS.register_module()
class ConsistencyRegularizer(nn.Module):
    """The semantic and the geometric loss of alignment maps (paper, Eqs 5-13).

    It has no parameters. A loss whose config or ``loss_weight`` is None, or whose weight is 0,
    is not computed.

    Args:
        sem: config of the semantic loss; ``type`` and ``loss_weight`` default to
            ``'expalign.MultiPositiveInfoNCELoss'`` and 0.5.
        geo: config of the geometric loss; by default ``'expalign.GACOLoss'`` and 1.0.
        topk_of: the map whose cells are counted for the semantic loss: 1 % of the finest
            level's, ``'p3'`` (Eq. 6), or of the fused ``'map'``'s own.

    Attributes:
        watched: whether :meth:`GACOLoss.shares` come with the losses; False to begin with.
            ``expalign.ConsistencyWatchHook`` sets it in the iterations that are logged.
    """

    def __init__(
        self,
        sem: dict | None = SEM_DEFAULTS,
        geo: dict | None = GEO_DEFAULTS,
        topk_of: str = 'p3',
    ) -> None:
        super().__init__()
        check_choice('topk_of', topk_of, ('p3', 'map'))
        self.topk_of = topk_of
        self.watched = False
        self.loss_sem = _build(sem, SEM_DEFAULTS)
        self.loss_geo = _build(geo, GEO_DEFAULTS)

    def forward(
        self,
        eams: Sequence[Tensor],
        prompt_masks: Tensor,
        batch_gt_instances: TruthBatch | InstanceList,
        input_size: tuple[int, int],
    ) -> dict[str, Tensor]:
        """Weighted means over the batch of all processes.

        Args:
            eams: alignment maps of P3, P4, P5, each (B, K, H_s, W_s), before scale and bias.
            prompt_masks: (B, K) bool, False at prompts that are padding or not to be learnt.
            batch_gt_instances: the padded instances, or those of every image; see
                :func:`~expalign.models.losses.target_masks`; crowd and ignored instances are not
                among them.
            input_size: height and width of the input in pixels.

        Returns:
            dict of ``loss_sem`` and ``loss_geo``, or the one that has a weight, and what is
            watched.
        """
        losses = {}
        truth = TruthBatch.of(batch_gt_instances)
        # Once for both losses; the fusion does nothing to what is in full precision.
        eams = [full_precision(eam) for eam in eams]
        num_prompts = prompt_masks.shape[1]
        if self.loss_sem is not None:
            fused = fuse_to_coarsest(eams)
            counted = eams[0] if self.topk_of == 'p3' else fused
            topk = max(1, counted.shape[-2] * counted.shape[-1] // 100)
            positives = positive_prompts(truth, num_prompts)
            losses['loss_sem'] = self.loss_sem(fused, positives, prompt_masks, topk=topk)
        if self.loss_geo is not None:
            map_size = eams[0].shape[-2], eams[0].shape[-1]
            masks = target_masks(truth, num_prompts, input_size, map_size)
            arguments = (fuse_to_finest(eams), masks, prompt_masks, truth.labels.shape[1])
            losses['loss_geo'] = self.loss_geo(*arguments)
            if self.watched and isinstance(self.loss_geo, GACOLoss):  # not a loss of others
                losses.update(self.loss_geo.shares(*arguments))
        return losses


def _build(config: dict | None, defaults: dict) -> Any:
    """The loss of a config, or None where it has no weight."""
    if config is None:
        return None
    merged = ConfigDict({**defaults, **config})
    return MODELS.build(merged) if merged.loss_weight else None
