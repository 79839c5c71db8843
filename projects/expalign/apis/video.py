"""Frames of a video, one at a time, with what cannot be decoded counted."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

# Behind so many failures in a row there is nothing: damaged headers state billions of frames.
MAX_GAP = 100_000
EXTENSIONS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')
DEFAULT_FPS, MAX_FPS = 25.0, 240.0
# The last frame of a whole film may last so long: at least these seconds, or this part of the film.
MIN_LAST, LAST_PART = 2.0, 0.05


class VideoFrames:
    """Iterates over the frames of a video without keeping them.

    A frame that cannot be decoded is left out and counted in ``broken``. How many frames there
    are is known at the end alone: what files state is an estimate, except in AVI files.

    Args:
        path: a video file that OpenCV reads.

    Attributes:
        fps: frames a second; 25 where the file says nothing or something impossible.
        size: width and height in pixels, upright.
        num_frames: frames that the file states; 0 where it does not say.
        read: frames read so far.
        last: seconds from the start to the last frame that was read.
        broken: frames left out so far; complete when the iteration has ended.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: it is no video that OpenCV can read, or none of its frames can be decoded.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if not Path(path).is_file():
            raise FileNotFoundError(f'video {path} does not exist')
        capture = self._open()
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= MAX_FPS else DEFAULT_FPS
        self.num_frames = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.codec = _code(capture.get(cv2.CAP_PROP_FOURCC))
        capture.release()
        with open(path, 'rb') as file:
            head = file.read(12)
        self._exact = head[:4] == b'RIFF' and head[8:] == b'AVI '
        # The headers' size is that before turning; a file may be whole and of an unknown codec.
        self.size = next(iter(self)).shape[1::-1]
        self._begin()

    def __len__(self) -> int:
        """Frames that the file says it has, mostly an estimate; 0 where it does not say."""
        return self.num_frames

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames (H, W, 3), uint8, BGR.

        Raises:
            OSError: no frame can be decoded.
        """
        capture, gap = self._open(), 0
        self._begin()
        try:
            # OpenCV says "no frame" at the end and for a damaged one alike: a frame behind it, or
            # a number that is exact, tells them apart.
            while gap < MAX_GAP:
                readable, frame = capture.read()
                if readable:
                    self.broken += gap
                    self.read, gap = self.read + 1, 0
                    self.last = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    yield frame
                elif self.read + self.broken + gap < self.num_frames:
                    gap += 1
                else:
                    break
        finally:
            capture.release()
        if not self.read:
            raise OSError(
                f'no frame of video {self.path} can be decoded: this OpenCV has no decoder for its '
                f'codec {self.codec}, or the file is damaged. Convert it, for example with: '
                'ffmpeg -i IN -c:v libx264 OUT.mp4')
        if self._exact:
            self.broken = max(self.broken, self.num_frames - self.read)

    def summary(self) -> str:
        """What became of the frames, in words; for the end of an iteration."""
        text = f'{self.read} frames read, {self.broken} could not be decoded'
        if self.cut_off:
            text += (f'; the file states {self.num_frames / self.fps:.1f} s and its last frame is '
                     f'at {self.last:.1f} s: it may be cut off')
        return text

    @property
    def cut_off(self) -> bool:
        """Whether the frames end long before the stated end; for the end of an iteration."""
        length = self.num_frames / self.fps
        last = max(MIN_LAST, LAST_PART * length, 1.5 / self.fps)  # it is shown for 1 / fps
        return 0 < self.last < length - last

    def _begin(self) -> None:
        self.read = self.broken = 0
        self.last = 0.0

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self.path)
        if not capture.isOpened():
            raise OSError(f'cannot read video {self.path}: it is damaged, not a video, or of a '
                          'kind that this OpenCV does not decode')
        return capture


def _code(number: float) -> str:
    """A codec's four letters, as in 'av01'."""
    letters = int(number).to_bytes(8, 'little', signed=True)[:4].decode('latin-1').strip('\0 ')
    return repr(letters) if letters.isprintable() and letters else 'of an unknown name'
