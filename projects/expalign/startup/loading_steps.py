"""Lets mmdet's analysis tools find this package's loading steps in a pipeline.

They keep what loads the image and the annotations, and know mmdet's and mmcv's own classes alone;
classes derived from these are shown to them as what they derive from.
"""

import functools
from types import ModuleType
from typing import Any

MODULE = 'mmdet.datasets.utils'


def change(module: ModuleType) -> None:
    """Change mmdet's module, when it is imported or after."""
    find = module.get_loading_pipeline
    if getattr(find, 'knows_subclasses', False):
        return

    @functools.wraps(find)
    def get_loading_pipeline(pipeline: list[dict]) -> list[dict]:
        shown = [_as_parent(step, module) for step in pipeline]
        own = {id(stand_in): step for stand_in, step in zip(shown, pipeline, strict=True)}
        return [own[id(found)] for found in find(shown)]

    get_loading_pipeline.knows_subclasses = True
    module.get_loading_pipeline = get_loading_pipeline


def _as_parent(step: dict, module: ModuleType) -> dict:
    """A step with the type of mmdet's class that its own derives from, if there is one."""
    kind: Any = module.TRANSFORMS.get(step['type'])
    for name in ('LoadImageFromFile', 'LoadAnnotations'):
        parent = getattr(module, name)
        if isinstance(kind, type) and issubclass(kind, parent) and (
                kind is not module.LoadPanopticAnnotations):
            return dict(type=f'{parent.__module__}.{parent.__qualname__}')
    return dict(step)
