"""Searching of a film: its frames in batches, each result with its place in the film."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from expalign.structures.detections import Detections, FilmFrame
from expalign.structures.thresholds import ScoreThr

from .containers import shown
from .decoding import Frame
from .sources import Film

if TYPE_CHECKING:
    from expalign.apis.inferencer import ExpAlignInferencer

    from .tracking import Tracker


class Chosen:
    """The frames of a film that are to be searched, until :meth:`stop` is called.

    Args:
        film: see above.
        every: 1 of so many frames.
        seconds: of the film's time, from its start; None: all.

    Attributes:
        stopped: whether it was stopped before the film's end.
    """

    def __init__(self, film: Film, every: int = 1, seconds: float | None = None) -> None:
        self.film, self.every, self.seconds = film, every, seconds
        self.stopped = False

    def __iter__(self) -> Iterator[Frame]:
        for frame in self.film.frames():
            if self.stopped or (self.seconds is not None and frame.time >= self.seconds):
                self.stopped = True
                return
            if frame.index % self.every == 0:
                yield frame

    def stop(self) -> None:
        """End at the next frame; may be called by a signal's handler."""
        self.stopped = True
        if self.film.live:
            self.film.stop()

    @property
    def total(self) -> int | None:
        """How many there will be, an estimate; None where nobody knows."""
        count = self.film.num_frames
        if self.seconds is not None and (count or self.film.live):
            count = min(count or self.seconds * self.film.fps, self.seconds * self.film.fps)
        return -int(-count // self.every) or None


class Result(NamedTuple):
    """What was found in a frame.

    Attributes:
        found: the detections; its ``frame`` says where in the film.
        frame: the frame itself.
        sample: mmdet's sample, with ``alignment`` where it is explained.
    """

    found: Detections
    frame: Frame
    sample: Any


def search_film(
    inferencer: 'ExpAlignInferencer', frames: Chosen, score_thr: ScoreThr, batch_size: int = 1,
    explain: int | None = None, tracker: 'Tracker | None' = None,
) -> Iterator[Result]:
    """Search frames for the inferencer's vocabulary, one batch at a time.

    Args:
        inferencer: with prompts of ``set_vocabulary``, or classes of its own.
        frames: see above.
        score_thr: lowest score that shows, see :meth:`ExpAlignInferencer.detect`.
        batch_size: frames a forward pass.
        explain: every so many of the searched frames have ``alignment``.
        tracker: numbers things that are seen again.
    """
    from expalign.apis.found import detections_of
    numbered = iter(enumerate(frames))
    while batch := list(islice(numbered, batch_size)):
        explained = explain is not None and any(number % explain == 0 for number, _ in batch)
        pairs = inferencer.stream(
            [frame.pixels for _, frame in batch], batch_size=batch_size, return_eam=explained)
        for (_, frame), (pixels, sample) in zip(batch, pairs, strict=True):
            found = detections_of(inferencer, pixels, sample, score_thr).of_frame(
                FilmFrame(shown(frames.film.path), frame.index, frame.time))
            if tracker is not None:
                found = tracker(found, frame.time)
            yield Result(found, frame, sample)
