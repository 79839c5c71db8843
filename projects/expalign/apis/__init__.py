"""What users call beside mmdet's own inference functions.

``from expalign.apis import ExpAlignInferencer`` imports models; the functions of the demos are
imported from their own modules.
"""

from typing import Any

__all__ = ['Alignment', 'ExpAlignInferencer']


def __getattr__(name: str) -> Any:
    # On first use: mmdet and the models take seconds to import, and box_ap needs neither name.
    if name == 'Alignment':
        from expalign.structures.alignment import Alignment
        return Alignment
    if name == 'ExpAlignInferencer':
        from .inferencer import ExpAlignInferencer
        return ExpAlignInferencer
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
