"""A detector of which some parts are trained: linear probes, adapters."""

from collections.abc import Sequence

from expalign.models.utils.freeze import freeze_all_but
from expalign.registry import MODELS

from .expalign import ExpAlignDetector


@MODELS.register_module()
class PartlyTrainedDetector(ExpAlignDetector):
    """:class:`ExpAlignDetector` that trains the named parts; weights and names are the same.

    Everything else has no gradient and keeps its normalisation statistics. Parts are frozen when
    the model is built: a distributed wrapper counts the trained parameters before hooks run.

    Args:
        trained: patterns of :func:`~expalign.models.utils.freeze.freeze_all_but`, e.g.
            ``['text_adapter']``.
        kwargs: of the parent.

    Raises:
        ValueError: a pattern matches nothing that can be trained.
    """

    def __init__(self, *args, trained: Sequence[str], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._frozen_parts = freeze_all_but(self, trained)

    def train(self, mode: bool = True) -> 'PartlyTrainedDetector':
        """Set the mode of what is trained; the rest stays in eval mode."""
        super().train(mode)
        for part in self._frozen_parts:
            part.eval()
        return self
