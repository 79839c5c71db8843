"""``expalign.detect``: search images with a model that is built once."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from expalign.structures.detections import Detections
from expalign.structures.thresholds import SCORE_THR, ScoreThr
from expalign.utils.keywords import check_keywords

if TYPE_CHECKING:
    from .images import Inputs
    from .inferencer import ExpAlignInferencer
    from .texts import Texts

KEYWORDS = ('images', 'prompts', 'model', 'weights', 'score_thr', 'device', 'batch_size', 'stream',
            'patch_size')
MODELS_KEPT = 2
_building = Lock()


def detect(
    images: 'Inputs', prompts: 'Texts | None' = None, model: Any = None, *,
    weights: str | Path | None = None, score_thr: ScoreThr = SCORE_THR, device: str | None = None,
    batch_size: int = 1, stream: bool = False, patch_size: int | None = None, **wrong: Any,
) -> Detections | list[Detections] | Iterator[Detections]:
    """Search images for what words name.

    Args:
        images, prompts, score_thr, batch_size, stream, patch_size: see
            :meth:`ExpAlignInferencer.detect`, whose ``texts`` are the prompts.
        model, weights, device: see :class:`ExpAlignInferencer`; by default the model
            ``expalign-s``. It is built at the first call; the last two are kept.

    Returns:
        :class:`Detections` of one image; a list of them for many; an iterator for a video, an
        iterator or with ``stream``.

    Raises:
        TypeError: an argument that there is not; the message suggests the right one.
        ValueError, OSError: an image, a text or a model cannot be used.
    """
    check_keywords('detect', wrong, KEYWORDS)
    return kept_inferencer(model, weights, device).detect(
        images, prompts, score_thr=score_thr, batch_size=batch_size, stream=stream,
        patch_size=patch_size)


def kept_inferencer(
    model: Any = None, weights: str | Path | None = None, device: str | None = None
) -> 'ExpAlignInferencer':
    """The inferencer of a model; the last two that names and paths stand for are kept."""
    if model is not None and not isinstance(model, str | Path):
        return _inferencer(model, weights, device)
    with _building:
        return _kept(*(None if part is None else str(part) for part in (model, weights)), device)


def _inferencer(model: Any, weights: Any, device: str | None) -> 'ExpAlignInferencer':
    from .inferencer import ExpAlignInferencer
    return ExpAlignInferencer(model, weights, device=device, show_progress=False)


_kept = lru_cache(MODELS_KEPT)(_inferencer)
