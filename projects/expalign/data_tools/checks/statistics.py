"""Numbers of a source that tell whether it is what it should be: classes, box sizes."""

from collections import Counter

import numpy as np

MAX_CLASSES = 24  # of the table; with more, the most frequent and the rarest
SMALL, MEDIUM = 32**2, 96**2  # pixels: COCO's limits of small and medium boxes
MIN_SIDE = 2  # pixels in the network's input, of a box that can still be seen


class BoxStatistics:
    """Counts instances and images by class, and keeps the sizes of boxes.

    Args:
        input_side: longer side of the network's input, pixels; None if it is not known.
    """

    def __init__(self, input_side: int | None = None) -> None:
        self.input_side = input_side
        self.instances: Counter[str] = Counter()
        self.images: Counter[str] = Counter()
        self._sides: list[tuple[float, float, float]] = []

    def add(self, names: list[str], boxes: list[list[float]], size: tuple[int, int]) -> None:
        """Count the instances of one image of (height, width)."""
        self.instances.update(names)
        self.images.update(set(names))
        self._sides += [(x2 - x1, y2 - y1, max(size)) for x1, y1, x2, y2 in boxes]

    def lines(self) -> list[str]:
        """The table of classes and the sizes of boxes, for people."""
        if not self._sides:
            return []
        return [*self._size_lines(), *self._class_lines()]

    def _size_lines(self) -> list[str]:
        sides = np.array(self._sides)
        area = sides[:, 0] * sides[:, 1]
        counts = [(area < SMALL).sum(), ((area >= SMALL) & (area < MEDIUM)).sum(),
                  (area >= MEDIUM).sum()]
        middle = np.median(sides[:, :2], axis=0)
        smallest = sides[:, :2].min(axis=1).min()
        lines = [
            f'box sizes: {counts[0]:,} small (below 32 x 32 pixels), {counts[1]:,} medium, '
            f'{counts[2]:,} large (96 x 96 and more); median {middle[0]:.0f} x {middle[1]:.0f}, '
            f'shortest side {smallest:.1f}']
        if self.input_side:
            shortest = sides[:, :2].min(axis=1) * np.minimum(self.input_side / sides[:, 2], 1)
            lost = int((shortest < MIN_SIDE).sum())
            if lost:
                lines.append(
                    f'{lost:,} boxes have a side of less than {MIN_SIDE} pixels in an input of '
                    f'{self.input_side}: too small to be found, and partly left out in training')
        return lines

    def _class_lines(self) -> list[str]:
        ranked = self.instances.most_common()
        half = MAX_CLASSES // 2
        shown = ranked if len(ranked) <= MAX_CLASSES else ranked[:half] + [None] + ranked[-half:]
        lines = [f'{"instances":>9} {"images":>9} class']
        for row in shown:
            if row is None:
                lines.append(f'{"...":>9} {"...":>9} {len(ranked) - MAX_CLASSES} more')
            else:
                lines.append(f'{row[1]:>9,} {self.images[row[0]]:>9,} {row[0]}')
        return lines


def input_side(pipeline: object) -> int | None:
    """The longer side of the network's input, by the sizes that a pipeline's transforms have."""
    found = []
    stack = [pipeline]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            found += [max(part[key]) for key in ('scale', 'img_scale')
                      if isinstance(part.get(key), list | tuple) and len(part[key]) == 2
                      and all(isinstance(side, int) for side in part[key])]
            stack += [value for value in part.values() if isinstance(value, dict | list | tuple)]
        elif isinstance(part, list | tuple):
            stack += list(part)
    return max(found, default=None)
