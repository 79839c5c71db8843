"""Everything of this package that registers itself; the registries import it."""

from . import (
    collate,
    lvis,
    mdetr_grounding,
    mixture,
    odinw,
    odvg,
    prompts_by_image,
    refs,
    repeated,
    text_coco,
    transforms,
)

__all__ = [
    'collate', 'lvis', 'mdetr_grounding', 'mixture', 'odinw', 'odvg', 'prompts_by_image', 'refs',
    'repeated', 'text_coco', 'transforms']
