"""Frames of a video, one at a time, with what cannot be decoded counted."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

# Behind so many failures in a row there is nothing: damaged headers state billions of frames.
MAX_GAP = 100_000
EXTENSIONS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')


class VideoFrames:
    """Iterates over the frames of a video without keeping them.

    A frame that cannot be decoded is left out and counted in ``broken``.

    Args:
        path: a video file that OpenCV reads.

    Attributes:
        fps: frames a second; 25 where the file does not say.
        size: width and height in pixels.
        broken: frames left out so far; complete when the iteration has ended.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: it is no video that OpenCV can read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if not Path(path).is_file():
            raise FileNotFoundError(f'video {path} does not exist')
        capture = self._open()
        self.fps = capture.get(cv2.CAP_PROP_FPS) or 25.0
        self.size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
                     int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        self.num_frames = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.broken = 0
        capture.release()

    def __len__(self) -> int:
        """Frames that the file says it has; 0 where it does not say."""
        return self.num_frames

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames (H, W, 3), uint8, BGR."""
        capture, good, gap = self._open(), 0, 0
        self.broken = 0
        try:
            # OpenCV says "no frame" at the end and for a damaged one alike: the number of frames
            # that the file states tells them apart.
            while gap < MAX_GAP:
                readable, frame = capture.read()
                if readable:
                    good, gap = good + 1, 0
                    yield frame
                elif good + self.broken < self.num_frames:
                    self.broken, gap = self.broken + 1, gap + 1
                else:
                    break
            self.broken = max(self.broken, self.num_frames - good)
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self.path)
        if not capture.isOpened():
            raise OSError(f'cannot read video {self.path}: it is damaged, not a video, or of a '
                          'kind that this OpenCV does not decode')
        return capture
