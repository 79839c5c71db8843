"""Which negatives are neither too close to a positive nor too far (the paper's Appendix G).

Axes: E phrases with a vector, D width, n candidates.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from expalign.datasets.phrases import plain

SAMPLE = 2048  # positives, and candidates, whose cosines tell the quantiles


class SimilarityWindow:
    """Accepts negatives whose largest cosine with a positive of the image is in a range.

    What a cosine means depends on the text model: between names of things CLIP ViT-B/32 has none
    below 0.46, and MiniLM has half of them below 0.21. So the range is given in quantiles of the
    cosines between the positives and the candidates of the training data, and :meth:`fit`
    computes its bounds from the vectors of the model. ``expalign.SimilarityWindowHook`` does
    that when training starts.

    Args:
        quantiles: the two, the lower one first.
        text_model: hub name, folder or ``'package:...'`` of a text encoder; by default the
            detector's own.

    Raises:
        ValueError: no two such numbers.
    """

    def __init__(self, quantiles: Sequence[float], text_model: str | None = None) -> None:
        if len(quantiles) != 2 or not 0 <= quantiles[0] < quantiles[1] <= 1:
            raise ValueError('similarity_window: quantiles must be two numbers of 0 to 1, the '
                             f'lower one first, got {tuple(quantiles)}')
        self.quantiles = tuple(quantiles)
        self.text_model = text_model
        self.bounds: tuple[float, float] | None = None
        self._rows: dict[str, int] = {}
        self._vectors = np.empty((0, 0), dtype=np.float16)

    def fit(self, names: Sequence[str], vectors: np.ndarray, positives: Iterable[str],
            candidates: Iterable[str]) -> None:
        """Take the vectors of a text model, and compute the bounds.

        Args:
            names: E phrases, with all positives and candidates that there will be.
            vectors: (E, D) unit vectors, kept in half precision.
            positives: phrases that are positives of some image.
            candidates: phrases that are negatives of some image.
        """
        self._rows = {plain(name): row for row, name in enumerate(names)}
        self._vectors = vectors.astype(np.float16)
        anchors, others = (self._sample(phrases) for phrases in (positives, candidates))
        cosines = self._take(anchors) @ self._take(others).T
        # A phrase with itself is no pair.
        pairs = cosines[anchors[:, None] != others[None]]
        if not len(pairs):
            raise ValueError('similarity_window: there is no pair of a positive and another '
                             'phrase in the training data')
        self.bounds = tuple(np.quantile(pairs, self.quantiles).tolist())

    def share(self, vectors: 'SimilarityWindow') -> None:
        """Take over what another window of the same settings was fitted to."""
        self._rows, self._vectors, self.bounds = vectors._rows, vectors._vectors, vectors.bounds

    def accepts(self, candidates: Sequence[str], positives: Sequence[str]) -> np.ndarray:
        """Which candidates (n) are in the window of the positives, (n,) bool.

        Without a positive all are.

        Raises:
            RuntimeError: the window was not fitted.
            KeyError: a phrase without a vector.
        """
        if self.bounds is None:
            raise RuntimeError(
                'similarity_window of SamplePrompts has no vectors yet: add '
                "dict(type='expalign.SimilarityWindowHook') to custom_hooks of the config")
        if not positives or not candidates:
            return np.ones(len(candidates), dtype=bool)
        anchors, others = self._find(positives), self._find(candidates)
        closest = (self._take(others) @ self._take(anchors).T).max(1)
        return (closest >= self.bounds[0]) & (closest <= self.bounds[1])

    def _sample(self, phrases: Iterable[str]) -> np.ndarray:
        """The rows of some of the phrases, always the same ones."""
        rows = np.unique(self._find(phrases))
        generator = np.random.default_rng(0)
        return rows if len(rows) <= SAMPLE else generator.choice(rows, SAMPLE, replace=False)

    def _find(self, phrases: Iterable[str]) -> np.ndarray:
        """The rows of phrases, (n,)."""
        try:
            return np.array([self._rows[plain(phrase)] for phrase in phrases], dtype=int)
        except KeyError as error:
            raise KeyError(f'similarity_window: {error} has no vector: it is neither in the '
                           'training data nor in its negative vocabulary') from error

    def _take(self, rows: np.ndarray) -> np.ndarray:
        return self._vectors[rows].astype(np.float32)
