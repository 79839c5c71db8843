"""Following of things through the frames of a film, by ByteTrack of the package ``trackers``."""

from typing import Any

import numpy as np

from expalign.structures.detections import UNTRACKED, Detections

# Boxes of so much of a threshold keep a track alive, and begin none (ByteTrack, arXiv 2110.06864).
LOW = 0.5


class Tracker:
    """Numbers what it sees again: one track a thing, prompts apart, from 1.

    A thing gets its number in the second frame in which it is found, so that what flickers gets
    none; for a second after it was last seen it keeps it.

    Args:
        fps: frames a second that are searched.

    Raises:
        ImportError: ``trackers`` is not installed; the message says what to do.
    """

    def __init__(self, fps: float) -> None:
        try:
            from supervision import Detections as Supervised
            from trackers import ByteTrackTracker
        except ImportError as error:
            raise ImportError('tracking needs the package trackers: pip install "expalign[track]"'
                              ) from error
        self._make, self._boxes, self._fps = ByteTrackTracker, Supervised, fps
        self._trackers: dict[int, Any] = {}  # by label
        self._numbers: dict[tuple[int, int], int] = {}  # of labels and what their trackers say

    def __call__(self, found: Detections, time: float) -> Detections:
        """The detections of the next frame with their tracks.

        Args:
            found: see above.
            time: seconds from the start of the film; later than that of the frame before.
        """
        candidates = found.above([threshold * LOW for threshold in found.thresholds])
        labels = candidates.labels
        tracks = np.full(len(candidates), UNTRACKED)
        for label in sorted({*self._trackers, *labels.tolist()}):
            places = np.flatnonzero(labels == label)
            for place, number in self._follow(label, places, candidates, time):
                tracks[place] = number
        return candidates.tracked(tracks).above(found.threshold)

    def _follow(self, label: int, places: np.ndarray, found: Detections, time: float
                ) -> list[tuple[int, int]]:
        if label not in self._trackers:
            threshold = found.thresholds[label] / LOW
            self._trackers[label] = self._make(
                frame_rate=self._fps, track_activation_threshold=threshold,
                high_conf_det_threshold=threshold)
        seen = self._trackers[label].update(self._boxes(
            xyxy=found.boxes[places], confidence=found.scores[places],
            data={'place': places}), timestamp=time)
        if not len(seen):
            return []
        return [(int(place), self._numbers.setdefault((label, int(track)), len(self._numbers) + 1))
                for place, track in zip(seen.data['place'], seen.tracker_id, strict=True)
                if track != UNTRACKED]
