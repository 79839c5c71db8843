"""Losses, as pure functions and as registered modules."""

from .complete_iou import CIoULoss, complete_iou
from .consistency import ConsistencyRegularizer
from .distribution_focal import DFLoss
from .fusion import fuse_to_coarsest, fuse_to_finest
from .gaco import geometry_aware_consistency
from .gaco_loss import GACOLoss
from .gibbs import gibbs_distribution
from .info_nce import MultiPositiveInfoNCELoss, multi_positive_info_nce
from .prompt_bce import PromptBCELoss
from .target_masks import positive_prompts, target_masks

__all__ = [
    'CIoULoss', 'DFLoss', 'PromptBCELoss', 'complete_iou',
    'ConsistencyRegularizer', 'GACOLoss', 'MultiPositiveInfoNCELoss', 'fuse_to_coarsest',
    'fuse_to_finest', 'geometry_aware_consistency', 'gibbs_distribution',
    'multi_positive_info_nce', 'positive_prompts', 'target_masks']
