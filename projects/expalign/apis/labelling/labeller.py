"""What finds things in images, as a worker uses it."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from expalign.structures.thresholds import SCORE_THR, ScoreThr, thresholds_of

if TYPE_CHECKING:
    from expalign.apis.inferencer import ExpAlignInferencer


class Facts(NamedTuple):
    """What labels are found with.

    Attributes:
        prompts: K names of classes.
        thresholds: K lowest scores.
        model: its name.
    """

    prompts: list[str]
    thresholds: list[float]
    model: str


class Labeller(Protocol):
    """Finds things in images."""

    facts: Facts

    def prepare(self, pixels: np.ndarray) -> Any:
        """What :meth:`label` needs of an image (H, W, 3) uint8 BGR; called in several threads."""

    def label(self, prepared: Sequence[Any]) -> list[list[dict[str, Any]]]:
        """The detections of each of the images, in the project's JSON form."""


Builder = Callable[[str, int], Labeller]  # of a device and a number of threads


@dataclass(frozen=True)
class ModelBuilder:
    """Builds the labeller of a model, in the process that is to use it.

    Args:
        model, weights, cfg_options: see :class:`~expalign.apis.inferencer.ExpAlignInferencer`.
        prompts: what to look for; None: the model's own classes.
        score_thr: lowest score of a label.
        trust: whether checkpoints may run code.
    """

    model: str | None = None
    weights: str | None = None
    prompts: tuple[str, ...] | None = None
    score_thr: ScoreThr = SCORE_THR
    cfg_options: dict[str, Any] = field(default_factory=dict)
    trust: bool = False

    def __call__(self, device: str, threads: int) -> 'ModelLabeller':
        """Load the model.

        Raises:
            ValueError, OSError, RuntimeError: it cannot be had, or needs prompts.
        """
        import torch
        from mmengine.logging import MMLogger

        from expalign.apis.inferencer import ExpAlignInferencer
        from expalign.checkpoints.trust import trust_checkpoints
        from expalign.utils import without_lines
        from expalign.utils.quick_start import uncollected
        torch.set_num_threads(threads)
        trust_checkpoints(self.trust)
        MMLogger.get_instance('expalign', log_level='WARNING')
        with uncollected(), without_lines('Loads checkpoint by '):
            inferencer = ExpAlignInferencer(
                self.model, self.weights, device=device, show_progress=False,
                cfg_options=self.cfg_options or None)
        return ModelLabeller(inferencer, self.prompts, self.score_thr)

    def settings(self) -> dict[str, Any]:
        """What labels depend on, as the record of a run has it."""
        settings = asdict(self)
        del settings['trust']
        return settings | {name: named_content(settings[name]) for name in ('model', 'weights')}


def named_content(name: str | None) -> str | None:
    """A file by its name and what is in it, wherever it lies; anything else by its name."""
    if name is None or not os.path.isfile(name):
        return name
    digest = hashlib.sha256()
    with open(name, 'rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return f'{os.path.basename(name)}, sha256 {digest.hexdigest()[:16]}'


class ModelLabeller:
    """A :class:`Labeller` of an inferencer.

    Args:
        inferencer: has the model.
        prompts: what to look for; None: the model's own classes.
        score_thr: lowest score of a label.

    Raises:
        ValueError: there are no prompts, and the model has no classes of its own.
    """

    def __init__(self, inferencer: 'ExpAlignInferencer', prompts: Sequence[str] | None,
                 score_thr: ScoreThr) -> None:
        model = inferencer.model
        own = model.own_prompts() if prompts is None else prompts
        if own is None:
            raise ValueError('say what to search for with --texts, as this model has no classes '
                             'of its own')
        self._inferencer, self._score_thr = inferencer, score_thr
        inferencer.set_vocabulary(list(own))
        self.facts = Facts(
            list(own), thresholds_of(own, score_thr, model.known_classes), inferencer.name)

    def prepare(self, pixels: np.ndarray) -> Any:
        """Scale the image as the model takes it."""
        request = dict(img=pixels, text=self.facts.prompts, custom_entities=False)
        return self._inferencer.pipeline(request)

    def label(self, prepared: Sequence[Any]) -> list[list[dict[str, Any]]]:
        """One forward pass."""
        from expalign.apis.found import detections_of
        samples = self._inferencer.forward(self._inferencer.collate_fn(list(prepared)))
        return [detections_of(self._inferencer, None, sample, self._score_thr)
                .to_dict()['detections'] for sample in samples]
