"""Frames of an opened film with their times; what is damaged is counted."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from .containers import codec_of, import_av, open_film
from .orientation import orientation_of, turned, turned_aspect

# In these, a packet of a film that is not interlaced is a frame: one without is lost.
ONE_FRAME_A_PACKET = ('h264', 'hevc')
DEFAULT_FPS, MAX_FPS = 25.0, 240.0
CLOCK = re.compile(r'(\d+):(\d+):(\d+(?:\.\d+)?)')
TICK = 1e-4  # seconds between two frames at least
JUMP = 1.0  # seconds back that are a new beginning, as where recordings were joined


class Frame(NamedTuple):
    """A frame.

    Attributes:
        index: its number among the frames of the film that can be decoded, from 0.
        time: seconds from the film's start at which it is shown.
        duration: seconds that it is shown, as the film says.
        pixels: (H, W, 3), uint8, BGR, upright.
        aspect: width by height of a pixel.
    """

    index: int
    time: float
    duration: float
    pixels: np.ndarray
    aspect: Fraction = Fraction(1)


class Decoder:
    """Goes through the frames of a film once.

    Args:
        source: a file or an address, see :func:`.containers.open_film`.

    Attributes:
        codec: name of its codec.
        fps: frames a second on average, see :func:`rate_of`.
        length: seconds that the film states; 0 where it does not say.
        start: seconds of its first time stamp, which is 0 in frames' times.
        num_frames: frames that it states, or that follow of its length; 0 where it does not say.
        read: frames so far.
        broken: frames that could not be decoded so far; complete at the end.
        damaged: frames among those read that are known to be damaged; complete at the end.
        error: what ended the reading before the end; None where the film was read to its end.
    """

    def __init__(self, source: str) -> None:
        self._container, self._stream = container, stream = open_film(source)
        self.codec, self.fps, self.length = codec_of(stream), rate_of(stream), length_of(
            container, stream)
        self.num_frames = max(0, stream.frames) or round(self.length * self.fps)
        self.start = max(0.0, (container.start_time or 0) / 1e6)
        self.read = self.broken = self.damaged = 0
        self.error: Exception | None = None
        self._failure: type[Exception] = import_av().FFmpegError
        self._packets = self._failed = self._damaged_frames = self._damaged_packets = 0
        self._interlaced = self.codec not in ONE_FRAME_A_PACKET
        self._last: float | None = None
        self._shift = -(container.start_time or 0) / 1e6

    def __iter__(self) -> Iterator[Frame]:
        for packet in self._demuxed():
            if packet is not None and not packet.size and packet.dts is not None:
                continue  # the frame before it once more
            for frame in self._decoded(packet):
                self._interlaced |= frame.interlaced_frame
                self._damaged_frames += frame.is_corrupt
                yield self._frame(frame)
        silent = 0 if self._interlaced else self._packets - self.read
        stated = self._stream.frames if self._container.format.name == 'avi' else 0
        self.broken = max(self._failed, silent, stated - self.read)
        self.damaged = max(self._damaged_frames, self._damaged_packets)

    def close(self) -> None:
        """Close the film."""
        self._container.close()

    def _demuxed(self) -> Iterator[Any]:
        """Packets; at the end what makes the decoder give the frames that it still holds."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except self._failure as error:  # in the middle of a packet, or the line broke
                self.error = error
                yield None
                return

    def _decoded(self, packet: Any) -> list[Any]:
        if packet is not None:
            self._packets += bool(packet.size) and not packet.is_discard
            self._damaged_packets += packet.is_corrupt
        try:
            return self._stream.codec_context.decode(packet)
        except (self._failure, MemoryError):
            self._failed += 1
            return []

    def _frame(self, frame: Any) -> Frame:
        orientation = orientation_of(frame)
        pixels = turned(frame.to_ndarray(format='bgr24'), orientation)
        tick = frame.time_base or self._stream.time_base  # the first is of the packet, if any
        duration = float((frame.duration or 0) * tick) or 1 / self.fps
        index, self.read = self.read, self.read + 1
        return Frame(index, self._time(frame.pts, tick), duration, pixels, turned_aspect(
            self._stream.sample_aspect_ratio, orientation))

    def _time(self, ticks: int | None, tick: Fraction) -> float:
        """Seconds from the start; they grow from frame to frame, whatever the film says."""
        step = 1 / self.fps
        if ticks is None:
            time = 0.0 if self._last is None else self._last + step
        else:
            time = max(0.0, float(ticks * tick) + self._shift)
        if self._last is not None and time <= self._last:
            if time < self._last - JUMP:
                self._shift += self._last + step - time
                time = self._last + step
            else:
                time = self._last + TICK
        self._last = time
        return time


def rate_of(stream: Any) -> float:
    """Frames a second; 25 where the film says nothing or something impossible."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= MAX_FPS:
            return float(rate)
    return DEFAULT_FPS


def length_of(container: Any, stream: Any) -> float:
    """Seconds that a film states for its pictures, else for all of it; 0 where it says nothing."""
    if stream.duration and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base))
    stated = CLOCK.fullmatch(stream.metadata.get('DURATION', ''))  # Matroska's, of one stream
    if stated:
        hours, minutes, seconds = map(float, stated.groups())
        return 3600 * hours + 60 * minutes + seconds
    return max(0.0, (container.duration or 0) / 1e6)
