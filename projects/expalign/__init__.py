"""ExpAlign for OpenMMLab: open-vocabulary detection and segmentation by expectation alignment.

Import this package before ``mmdet`` or ``mmyolo``: it lets both run on an mmcv without compiled
operators (see :mod:`expalign.compat` and :mod:`expalign.startup`). Nothing heavy is imported here;
models, data sets and metrics are imported by their registries when the first of them is built.
"""

from typing import Any

from . import compat, startup
from .checkpoints.trust import trust_checkpoints
from .version import __version__

compat.install()
startup.install()

__all__ = ['Detections', 'ExpAlignInferencer', 'PromptSet', '__version__', 'detect', 'examples',
           'load_prompts', 'save_prompts', 'trust_checkpoints']


def __getattr__(name: str) -> Any:
    # On first use: models take seconds to import.
    if name == 'examples':
        from .apis.examples import examples
        return examples
    if name in ('load_prompts', 'save_prompts'):
        from .checkpoints import prompt_file
        return getattr(prompt_file, name)
    if name == 'PromptSet':
        from .structures.prompt_set import PromptSet
        return PromptSet
    if name == 'detect':
        from .apis.detect import detect
        return detect
    if name == 'Detections':
        from .structures.detections import Detections
        return Detections
    if name == 'ExpAlignInferencer':
        from .apis.inferencer import ExpAlignInferencer
        return ExpAlignInferencer
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
