"""Frames of a film, one at a time, with their times and with what cannot be decoded counted."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from expalign.utils.file_kinds import is_address, special_kind

from .films.containers import reason, shown
from .films.decoding import Decoder, Frame
from .films.webp import WebPDecoder

# What is a film wherever images are asked for, too.
EXTENSIONS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.ts', '.m2ts',
              '.mts', '.wmv', '.flv', '.3gp', '.ogv')
STREAMS = ('rtsp://', 'rtsps://', 'rtmp://', 'srt://', 'udp://', 'tcp://')
MIN_GAP = 0.5  # seconds without a frame that are worth a word where some are damaged
# The last frame of a whole film may be shown so long: at least these seconds; in films of a
# variable rate more, or this part of the film.
MIN_LAST, MIN_LAST_VARIABLE, LAST_PART = 0.5, 2.0, 0.05


class VideoFrames:
    """Iterates over the frames of a film without keeping them.

    A frame that cannot be decoded is left out and counted in ``broken``. How many frames there
    are is known at the end alone: what files state is an estimate.

    Args:
        path: a file that FFmpeg reads, an animated WebP image, or the address of a film that ends.

    Attributes:
        fps: frames a second, on average; 25 where the film says nothing or something impossible.
        size: width and height of its first frame in pixels, upright.
        aspect: width by height of a pixel.
        num_frames: frames that the film states, or that follow of its length; 0 where it does not
            say.
        length: seconds that it states; 0 where it does not say.
        codec: name of its codec.
        read: frames read so far.
        last: seconds from the start to the last frame that was read.
        end: seconds from the start to that frame's end.
        broken: frames left out; complete when the iteration has ended.
        damaged: frames among those read that are known to be damaged; complete as ``broken`` is.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: it is no regular file, no film that can be read, or none of its frames can be
            decoded.
        ImportError: PyAV is not installed.
    """

    live = False

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if not is_address(self.path) and not Path(path).is_file():
            kind = special_kind(path)
            if kind is not None:
                raise OSError(f'cannot read video {path}: it is {kind}')
            raise FileNotFoundError(f'video {path} does not exist')
        self._begin()
        with closing(self._open()) as decoder:
            # A film's size is that before turning; a file may be whole and without a frame.
            first = next(iter(decoder), None)
            self.fps, self.length, self.num_frames = (
                decoder.fps, decoder.length, decoder.num_frames)
            self.codec, self._start = decoder.codec, decoder.start
        if first is None:
            raise self._nothing()
        self.size, self.aspect = first.pixels.shape[1::-1], first.aspect

    def __len__(self) -> int:
        """Frames that the film says it has, mostly an estimate; 0 where it does not say."""
        return self.num_frames

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames (H, W, 3), uint8, BGR."""
        return (frame.pixels for frame in self.frames())

    def frames(self) -> Iterator[Frame]:
        """Frames with their numbers and times.

        Raises:
            OSError: no frame can be decoded.
        """
        self._begin()
        with closing(self._open()) as decoder:
            try:
                for frame in decoder:
                    if self.read:
                        self._longest = max(self._longest, frame.time - self.last)
                    self.read, self.last = decoder.read, frame.time
                    self.end = frame.time + frame.duration
                    yield frame
            finally:
                self.broken, self.damaged = decoder.broken, decoder.damaged
                self._error = decoder.error
        if not self.read:
            raise self._nothing()

    def summary(self) -> str:
        """What became of the frames, in words; for the end of an iteration."""
        text = f'{self.read} frames read, {self.broken} could not be decoded'
        if self.damaged:
            text += f', {self.damaged} of those read are damaged'
        if (self.broken or self.damaged) and self._longest > max(MIN_GAP, 2.5 / self.fps):
            text += f', with a gap of {self._longest:.1f} s'
        if self.cut_off:
            text += (f'; the file states {self.length:.1f} s and its last frame is '
                     f'at {self.last:.1f} s: it may be cut off')
        elif self._error is not None:
            text += f'; it ends before its end: {reason(self._error)}'
        return text

    @property
    def complete(self) -> bool:
        """Whether every frame was read and is whole; for the end of an iteration."""
        return not (self.broken or self.damaged or self.cut_off or self._error)

    @property
    def cut_off(self) -> bool:
        """Whether the frames end long before the stated end; for the end of an iteration."""
        last = max(MIN_LAST, 1.5 / self.fps)  # it is shown for 1 / fps
        if self._longest > 2.5 / self.fps:
            last = max(last, MIN_LAST_VARIABLE, LAST_PART * self.length)
        # Matroska states the time of the end, MP4 the length.
        return self.read > 0 and max(self.end, self.last + last) < self.length - self._start

    def _open(self) -> Decoder | WebPDecoder:
        if not is_address(self.path):
            with open(self.path, 'rb') as file:
                head = file.read(12)
            if head[:4] == b'RIFF' and head[8:] == b'WEBP':
                return WebPDecoder(self.path)
        return Decoder(self.path)

    def _begin(self) -> None:
        self.read = self.broken = self.damaged = 0
        self.last = self.end = self._longest = 0.0
        self._error: Exception | None = None

    def _nothing(self) -> OSError:
        return OSError(
            f'no frame of video {shown(self.path)} can be decoded: its codec is {self.codec}, and '
            'the file is empty or damaged')
