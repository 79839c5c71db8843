"""ExpAlign for OpenMMLab: open-vocabulary detection and segmentation by expectation alignment.

Import this package before ``mmdet`` or ``mmyolo``: it lets both run on an mmcv without compiled
operators (see :mod:`expalign.compat`). Nothing heavy is imported here; models, data sets and
metrics are imported by their registries when the first of them is built.
"""

from . import compat
from .trust import trust_checkpoints
from .version import __version__

compat.install()

__all__ = ['__version__', 'trust_checkpoints']
