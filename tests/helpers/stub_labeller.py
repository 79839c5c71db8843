"""A labeller that needs no model: it finds white rectangles, and dies of some colours.

As a program it labels a folder, for tests that kill it: ``SOURCE OUT WORKERS SECONDS FORMAT...``.
"""

import errno
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from expalign.apis.labelling import part_files
from expalign.apis.labelling.crew import run_crew
from expalign.apis.labelling.label import Summary, run
from expalign.apis.labelling.labeller import Facts

PROMPTS = ['a tall thing', 'a wide thing, lying']
DEADLY, RAISING = (255, 0, 255), (255, 255, 0)  # BGR
HEIGHT, WIDTH = 48, 64


def box_of(number: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the rectangle in the image of a number."""
    left, top = 2 + number % 20, 3 + number % 17
    return (left, top, left + 8, top + 20) if number % 2 else (left, top, left + 30, top + 10)


def picture(number: int) -> np.ndarray:
    """The image of a number, (48, 64, 3)."""
    image = np.full((HEIGHT, WIDTH, 3), number % 100, dtype=np.uint8)
    left, top, right, bottom = box_of(number)
    image[top:bottom, left:right] = 255
    return image


def encoded(number: int) -> bytes:
    """The file of an image, PNG."""
    return cv2.imencode('.png', picture(number))[1].tobytes()


def write_pictures(folder: Path, count: int, first: int = 0) -> None:
    """Write images under the names of their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f'{number:05d}.png').write_bytes(encoded(number))


class StubLabeller:
    """Finds the rectangle of :func:`picture`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.facts = Facts(PROMPTS, [0.5, 0.5], 'stub')

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """The pixels."""
        return pixels

    def label(self, prepared):
        """One box each."""
        time.sleep(self.seconds * len(prepared))
        return [self._found(pixels) for pixels in prepared]

    @staticmethod
    def _found(pixels: np.ndarray) -> list[dict]:
        first = tuple(pixels[0, 0].tolist())
        if first == DEADLY:
            os._exit(7)
        if first == RAISING:
            raise RuntimeError('no memory for this one')
        rows, columns = np.nonzero((pixels > 250).all(axis=2))
        if not len(rows):
            return []
        box = [float(columns.min()), float(rows.min()), columns.max() + 1.0, rows.max() + 1.0]
        label = int(box[2] - box[0] > box[3] - box[1])
        return [dict(prompt=PROMPTS[label], label=label, score=0.875, box=box)]


def _full(path: Path):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@dataclass(frozen=True)
class StubBuilder:
    """Makes it."""

    seconds: float = 0.0
    error: str = ''
    full_disk: bool = False

    def __call__(self, device: str, threads: int) -> StubLabeller:
        """At once."""
        if self.error:
            raise ValueError(self.error)
        if self.full_disk:  # of this worker alone
            part_files.finished_file = _full
        return StubLabeller(self.seconds)


def label_with_stub(sources, out, workers: int = 1, seconds: float = 0.0,
                    formats=('jsonl',), **options) -> Summary:
    """Label without a model."""
    sources = sources if isinstance(sources, list) else [sources]
    settings = options.pop('settings', dict(model='stub', prompts=PROMPTS))
    work = options.pop('work', partial(run_crew, devices=['cpu'] * workers))
    return run(sources, options.pop('build', StubBuilder(seconds)), settings, out, formats,
               work, **dict(rows=16, seconds=0.5) | options)


if __name__ == '__main__':
    source, out, workers, seconds, *formats = sys.argv[1:]
    print(label_with_stub(source, out, int(workers), float(seconds), formats))
