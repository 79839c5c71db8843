"""Bounded memory of detections: the best of every class over a whole data set.

The name says what it does, not how: rows lie in numpy columns and are thinned out from time to
time by partial selection, which costs far less than a heap operation for each detection.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Rows that may wait before the classes are thinned out: the cost of a selection is spread over
# them, and they are all that is ever held beyond the limit.
MIN_WAITING = 500_000

Columns = dict[str, np.ndarray]


class ClassHeaps:
    """Keeps the ``per_class`` best-scoring rows of every class; memory does not grow beyond them.

    Ties are decided by place, the lower first, and so not by the order of arrival: however images
    are spread over processes, the same rows stay.

    Args:
        num_classes: number of classes, at most 65,536.
        per_class: rows kept of each; None for no limit.

    Raises:
        ValueError: more classes than can be numbered, or a limit below 1.
    """

    def __init__(self, num_classes: int, per_class: int | None) -> None:
        if num_classes > 2**16 or (per_class is not None and per_class < 1):
            raise ValueError(f'ClassHeaps: cannot keep the best {per_class} of each of '
                             f'{num_classes} classes')
        self.num_classes = num_classes
        self.per_class = per_class
        # What a newcomer must reach to matter: the lowest kept score of a class that is full.
        self._floor = np.full(num_classes, -np.inf)
        self._parts: list[Columns] = []
        self._held = 0
        self._waiting = 0

    def __len__(self) -> int:
        return self._held + self._waiting

    def add(self, labels: np.ndarray, scores: np.ndarray, image: int | np.ndarray,
            rank: np.ndarray | None = None, **columns: np.ndarray) -> None:
        """Offer n rows.

        Args:
            labels: (n) classes, below ``num_classes``.
            scores: (n) finite.
            image: the first part of a row's place: one number for all or (n).
            rank: (n) second part of the place; by default the position in this call.
            columns: further columns, (n, ...), the same names in every call.

        Raises:
            ValueError: a label or a score that cannot be.
        """
        if not len(labels):
            return
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise ValueError(f'labels reach from {labels.min()} to {labels.max()}, there are '
                             f'{self.num_classes} classes')
        if not np.isfinite(scores).all():
            raise ValueError(f'{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} scores '
                             'are not finite')
        rows = dict(
            labels=labels.astype(np.uint16), scores=scores,
            image=np.broadcast_to(np.asarray(image, dtype=np.int32), labels.shape),
            rank=np.arange(len(labels), dtype=np.int32) if rank is None else rank, **columns)
        kept = np.flatnonzero(scores >= self._floor[labels])
        self._parts.append(_take(rows, kept))
        self._waiting += len(kept)
        if self.per_class is not None and self._waiting > max(MIN_WAITING, self._held // 2):
            self._thin_out()

    def columns(self) -> Columns:
        """The kept rows as columns ``labels``, ``scores``, ``image``, ``rank`` and those added.

        Rows are sorted by class, then by place. Without any row there is no column.
        """
        if not self._parts:
            return {}
        self._thin_out()
        (rows,) = self._parts
        # The last key leads; within an image rank is the order of the predictions.
        return _take(rows, np.lexsort((rows['rank'], rows['image'], rows['labels'])))

    def _thin_out(self) -> None:
        """Select the rows that stay and lay them in one part."""
        rows = {name: np.concatenate([part[name] for part in self._parts])
                for name in self._parts[0]}
        self._parts.clear()
        chosen = self._best(rows)
        if len(chosen) < len(rows['labels']):
            rows = _take(rows, chosen)
        self._parts = [rows]
        self._held, self._waiting = len(chosen), 0

    def _best(self, rows: Columns) -> np.ndarray:
        """Indices of the rows that stay, grouped by class."""
        order = np.argsort(rows['labels'], kind='stable')
        if self.per_class is None:
            return order
        counts = np.bincount(rows['labels'], minlength=self.num_classes)
        ends = counts.cumsum()
        chosen = []
        for label in np.flatnonzero(counts):
            own = order[ends[label] - counts[label]:ends[label]]
            if len(own) >= self.per_class:
                own, self._floor[label] = _top(own, rows, self.per_class)
            chosen.append(own)
        return np.concatenate(chosen) if chosen else order


def _top(own: np.ndarray, rows: Columns, limit: int) -> tuple[np.ndarray, float]:
    """Of the rows ``own`` the ``limit`` best, and the lowest of their scores."""
    scores = rows['scores'][own]
    floor = np.partition(scores, len(own) - limit)[len(own) - limit]
    above, level = own[scores > floor], own[scores == floor]
    by_place = np.lexsort((rows['rank'][level], rows['image'][level]))
    return np.concatenate([above, level[by_place[:limit - len(above)]]]), floor


def _take(rows: Columns, index: np.ndarray) -> Columns:
    return {name: column[index] for name, column in rows.items()}


def merge_heaps(parts: Sequence[dict[str, Any]], num_classes: int,
                per_class: int | None) -> tuple[Columns, np.ndarray]:
    """The kept rows of several processes as if one had seen every image once.

    An image that several processes report (the sampler pads the last batch with images of the
    first) counts for the first of them. Nothing is lost by the limit of each process: a row that
    it pushed out has ``per_class`` better ones, and these are in the union.

    Args:
        parts: per process ``images``, the images that it has seen, and ``columns``.
        num_classes: see :class:`ClassHeaps`.
        per_class: see :class:`ClassHeaps`.

    Returns:
        columns, as :meth:`ClassHeaps.columns` gives them, and the sorted images of all processes.
    """
    merged = ClassHeaps(num_classes, per_class)
    seen = np.zeros(0, dtype=np.int64)
    for part in parts:
        columns = part['columns']
        if columns:
            merged.add(**_take(columns, np.flatnonzero(~np.isin(columns['image'], seen))))
        seen = np.union1d(seen, part['images'])
    return merged.columns(), seen
