"""Statistics that ship beside the weights of a model."""

from functools import cache

from expalign.models.utils.pretrained import resolve_model_source

from .background import Background

FILES = ('package:expalign/weights/expalign_v8s_background.safetensors',)


@cache
def shipped_background(space: str) -> Background | None:
    """The statistics of training photographs for a model; None where none are shipped.

    Args:
        space: the model's :func:`~.space.prompt_space`.
    """
    found = (Background.load(resolve_model_source(file)) for file in FILES)
    return next((background for background in found if background.space == space), None)
