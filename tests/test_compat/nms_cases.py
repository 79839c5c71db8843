"""Boxes for the NMS tests, the same on every machine.

Only the generator's raw floats, integers and exact arithmetic are used: no function of the maths
library, whose last bit may differ.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """One call of an operator; ``operator`` is 'nms', 'batched_nms' or 'soft_nms'."""

    operator: str
    layout: str
    count: int
    offset: int = 0
    threshold: float = 0.65
    method: str = 'linear'

    @property
    def name(self) -> str:
        parts = (self.operator, self.layout, self.count, self.offset, self.threshold, self.method)
        return '-'.join(map(str, parts))

    def boxes(self) -> np.ndarray:
        """(N, 4) float32."""
        return _LAYOUTS[self.layout](self._rng(0), self.count).astype(np.float32)

    def scores(self) -> np.ndarray:
        """(N, ) float32; the 'ties' layout has few values, the others have N distinct ones."""
        rng = self._rng(1)
        if self.layout == 'ties':
            return (rng.integers(0, 8, self.count) / 8).astype(np.float32)
        ranks = np.argsort(np.argsort(rng.random(self.count)))
        return ((ranks + 1) / (self.count + 1)).astype(np.float32)

    def classes(self) -> np.ndarray:
        """(N, ) int64, 20 classes."""
        return self._rng(2).integers(0, 20, self.count)

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.count, self.offset, stream]))


def _clustered(rng: np.random.Generator, count: int) -> np.ndarray:
    """About 40 shaken copies of each of N / 40 boxes in a 640 x 640 image."""
    objects = max(count // 40, 1)
    owner = rng.integers(0, objects, count)
    centres = 640 * rng.random((objects, 2))[owner] + 12 * rng.random((count, 2))
    sides = (10 + 150 * rng.random((objects, 2)))[owner] * (0.8 + 0.4 * rng.random((count, 2)))
    return np.concatenate([centres - sides / 2, centres + sides / 2], 1)


def _ties(rng: np.random.Generator, count: int) -> np.ndarray:
    """Small whole numbers: equal boxes, IoUs equal to the threshold, no or negative width."""
    corners = rng.integers(0, 8, (count, 2))
    return np.concatenate([corners, corners + rng.integers(-1, 6, (count, 2))], 1)


_LAYOUTS = {'clustered': _clustered, 'ties': _ties}

CASES = (
    *(Case('nms', 'clustered', 30_000, offset) for offset in (0, 1)),
    *(Case('nms', 'ties', 1_000, offset, threshold) for offset in (0, 1)
      for threshold in (0.5, 0.25)),
    *(Case('batched_nms', 'clustered', count) for count in (9_999, 10_000, 12_000)),
    *(Case('soft_nms', 'clustered', 400, offset, 0.3, method) for offset in (0, 1)
      for method in ('naive', 'linear', 'gaussian')),
    *(Case('soft_nms', 'ties', 200, offset, 0.5, method) for offset in (0, 1)
      for method in ('naive', 'linear', 'gaussian')),
)

SWEEP = (
    *(Case('nms', 'ties', 30_000, offset) for offset in (0, 1)),
    *(Case('batched_nms', 'ties', count) for count in (9_999, 10_000, 12_000)),
    *(Case(operator, layout, count, offset, threshold, method)
      for count in (1, 2, 17, 64, 65, 300)
      for layout in ('clustered', 'ties')
      for offset in (0, 1)
      for threshold in (0.0, 0.25, 0.5, 0.7, 1.0)
      for operator, method in (('nms', 'linear'), ('batched_nms', 'linear'), ('soft_nms', 'naive'),
                               ('soft_nms', 'linear'), ('soft_nms', 'gaussian'))),
)


def run(case: Case) -> dict[str, np.ndarray]:
    """What the imported mmcv gives: kept indices and, for soft-NMS, the decayed scores.

    The order in which torch sorts tied scores depends on the processor; cases with ties carry it.
    """
    import torch
    from mmcv.ops import batched_nms, nms, soft_nms
    boxes, scores = torch.from_numpy(case.boxes()), torch.from_numpy(case.scores())
    if case.operator == 'soft_nms':
        dets, keep = soft_nms(boxes, scores, case.threshold, method=case.method,
                              min_score=0.05, offset=case.offset)
        return dict(keep=keep.numpy(), scores=dets[:, 4].numpy())
    if case.operator == 'batched_nms':
        config = dict(type='nms', iou_threshold=case.threshold, offset=case.offset)
        keep = batched_nms(boxes, scores, torch.from_numpy(case.classes()), config)[1]
        return dict(keep=keep.numpy())
    result = dict(keep=nms(boxes, scores, case.threshold, offset=case.offset)[1].numpy())
    if case.layout == 'ties':
        result['order'] = scores.sort(0, descending=True)[1].numpy()
    return result
