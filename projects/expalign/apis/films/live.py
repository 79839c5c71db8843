"""Cameras and streams that have no end: the newest frames, as fast as they are searched.

A thread reads; what the search has no time for is left out and counted, so that it neither falls
behind nor fills memory. Where the line breaks, it is taken up again for some seconds.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from expalign.utils.file_kinds import is_address

from .containers import shown
from .decoding import DEFAULT_FPS, MAX_FPS, Decoder, Frame

KEPT = 8  # newest frames that wait for the search
PATIENCE, PAUSE = 10.0, 0.5  # seconds of trying to reconnect, and between two tries
CAMERA = re.compile(r'(?:/dev/video)?(\d{1,3})')  # its number, or its name on Linux
# Streams of photographs have no times: those that FFmpeg makes up are as good as none.
NO_TIMES = ('mpjpeg', 'mjpeg')


class Stream(Decoder):
    """One connection to an address."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.timed = self._container.format.name not in NO_TIMES
        # A film that is fetched has a size in bytes or in seconds, a camera has none.
        self.ends = (self._container.size or 0) > 0 or bool(self._container.duration)


class Camera:
    """One opening of a camera of this machine, by its number, through OpenCV."""

    codec, timed, ends = 'of the camera', False, False

    def __init__(self, source: str) -> None:
        import cv2
        number = camera_number(source)
        level = cv2.setLogLevel(0)  # it says why on the error stream, in its own words
        self._capture = cv2.VideoCapture(int(number))
        cv2.setLogLevel(level)
        if not self._capture.isOpened():
            raise OSError(f'camera {number} cannot be opened: it is not there, in use, or may not '
                          'be used by this program; the first one is 0')
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= MAX_FPS else DEFAULT_FPS

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            readable, pixels = self._capture.read()
            if not readable:
                return
            yield Frame(index, 0.0, 1 / self.fps, pixels)
            index += 1

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def is_camera(source: str) -> bool:
    """Whether a film's name is that of a camera; a file of this name comes first."""
    return CAMERA.fullmatch(source) is not None and not Path(source).is_file()


def camera_number(source: str) -> str:
    """The number of a camera in what :func:`is_camera` takes."""
    return CAMERA.fullmatch(source)[1]


class LiveFrames:
    """Iterates over the frames of a camera or of a stream without an end.

    Args:
        source: an address, or the number of a camera.
        patience: seconds of trying to reconnect where the line breaks.
        connection: one that is open already.

    Attributes:
        path: the source.
        fps, size, aspect, codec, read, last, end, broken, damaged: see :class:`~..video.
            VideoFrames`; frames are numbered as they arrive.
        missed: frames that the search had no time for.
        breaks: how often the line was taken up again.

    Raises:
        OSError: there is nothing to read from.
    """

    live = True
    num_frames, length = 0, 0.0

    def __init__(self, source: str, patience: float = PATIENCE,
                 connection: Stream | None = None) -> None:
        self.path, self.patience = source, patience
        self._connect: Callable[[str], Any] = Stream if is_address(source) else Camera
        self.read = self.broken = self.damaged = self.missed = self.breaks = 0
        self.last = self.end = 0.0
        self._waiting: deque[Frame] = deque(maxlen=KEPT)
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._failure: Exception | None = None
        self._received, self._shift, self._newest = 0, 0.0, 0.0
        self._began = time.monotonic()
        self._source: Any = self._connect(source) if connection is None else connection
        self.fps, self.codec = self._source.fps, self._source.codec
        self._frames = iter(self._source)
        first = next(self._frames, None)
        if first is None:
            self._source.close()
            raise OSError(
                f'no frame of {shown(source)} can be decoded: its codec is {self.codec}')
        self.size, self.aspect = first.pixels.shape[1::-1], first.aspect
        self._push(first)
        # From now on: a line that nobody listens to is closed by its other end.
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """0: nobody knows."""
        return 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames (H, W, 3), uint8, BGR."""
        return (frame.pixels for frame in self.frames())

    def frames(self) -> Iterator[Frame]:
        """Frames with their numbers and times, until the source ends or :meth:`stop` is called.

        The newest frame at the time of the call is the first one.
        """
        with self._changed:
            while len(self._waiting) > 1:
                self._waiting.popleft()
            self.missed = 0
        first = None
        try:
            while (frame := self._next()) is not None:
                first = first or frame
                frame = frame._replace(
                    index=frame.index - first.index, time=frame.time - first.time)
                self.read, self.last = self.read + 1, frame.time
                self.end = frame.time + frame.duration
                yield frame
            if self._failure is not None:
                raise self._failure
        finally:
            self.stop()
            self._thread.join(timeout=2.0)

    def _next(self) -> Frame | None:
        with self._changed:
            # Short waits: in a long one Ctrl-C would not be noticed on Windows.
            while not (self._waiting or self._ended or self._stopped):
                self._changed.wait(0.2)
            return None if self._stopped or not self._waiting else self._waiting.popleft()

    def stop(self) -> None:
        """End the iteration; may be called from another thread and from a signal's handler."""
        self._stopped = True

    def summary(self) -> str:
        """What became of the frames, in words; for the end of an iteration."""
        text = f'{self.read} frames read, {self.broken} could not be decoded'
        if self.damaged:
            text += f', {self.damaged} of those read are damaged'
        if self.missed:
            text += f', {self.missed} came faster than they could be searched and were left out'
        if self.breaks:
            text += f'; the line broke and was taken up again {self.breaks} times'
        return text

    @property
    def complete(self) -> bool:
        """Whether every frame that came was searched."""
        return not (self.broken or self.damaged or self.missed)

    def _receive(self) -> None:
        """Read until the end; in a thread of its own."""
        try:
            while self._drain() and self._reconnect():
                self.breaks += 1
        except Exception as error:
            self._failure = error  # for who waits for frames
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _drain(self) -> bool:
        """Read one connection to its end; whether there may be more."""
        with closing(self._source):
            for frame in self._frames:
                if self._stopped:
                    break
                self._push(frame)
        self.broken += getattr(self._source, 'broken', 0)
        self.damaged += getattr(self._source, 'damaged', 0)
        return not self._stopped

    def _reconnect(self) -> bool:
        until = time.monotonic() + self.patience
        while not self._stopped and time.monotonic() < until:
            try:
                self._source = self._connect(self.path)
            except OSError:
                time.sleep(min(PAUSE, self.patience))
                continue
            self._frames = iter(self._source)
            # Its times begin anew; streams that are sent faster than shown are ahead of the clock.
            self._shift = max(time.monotonic() - self._began, self._newest + 1 / self.fps)
            return True
        return False

    def _push(self, frame: Frame) -> None:
        now = time.monotonic() - self._began
        with self._changed:
            index = self._received
            when = frame.time + self._shift if self._source.timed else now
            self._received, self._newest = self._received + 1, when
            self.missed += len(self._waiting) == KEPT
            self._waiting.append(frame._replace(index=index, time=when))
            self._changed.notify()
