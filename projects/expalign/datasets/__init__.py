"""Data sets; the transforms of their pipelines are in :mod:`expalign.datasets.transforms`.

Each name is imported when it is first asked for: the readers in ``formats`` are used by converters
that need neither mmdet nor torch. The registries import :mod:`.registered`.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    'ClassBalancedDataset': 'repeated', 'CocoDataset': 'text_coco', 'LVISV1Dataset': 'lvis',
    'MDETRGroundingDataset': 'mdetr_grounding', 'MixtureDataset': 'mixture',
    'ODVGDataset': 'odvg', 'ODinWDataset': 'odinw', 'Objects365V1Dataset': 'text_coco',
    'PromptsByImage': 'prompts_by_image', 'RefsDataset': 'refs', 'RepeatDataset': 'repeated',
    'TextCocoDataset': 'text_coco', 'collate_samples': 'collate'}
__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'.{_MODULES[name]}', __name__), name)
