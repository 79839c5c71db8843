"""Data sets; the transforms of their pipelines are in :mod:`expalign.datasets.transforms`."""

from . import transforms
from .collate import collate_samples
from .lvis import LVISV1Dataset
from .mdetr_grounding import MDETRGroundingDataset
from .mixture import MixtureDataset
from .odinw import ODinWDataset
from .odvg import ODVGDataset
from .prompts_by_image import PromptsByImage
from .refs import RefsDataset
from .repeated import ClassBalancedDataset, RepeatDataset
from .text_coco import CocoDataset, Objects365V1Dataset, TextCocoDataset

__all__ = [
    'ODinWDataset', 'PromptsByImage',
    'ClassBalancedDataset', 'CocoDataset', 'LVISV1Dataset', 'MDETRGroundingDataset',
    'MixtureDataset', 'ODVGDataset', 'Objects365V1Dataset', 'RefsDataset', 'RepeatDataset',
    'TextCocoDataset', 'collate_samples', 'transforms'
]
