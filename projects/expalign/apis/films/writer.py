"""Written films: H.264 in MP4 and Matroska, VP9 in WebM, which browsers play."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from .containers import import_av, reason
from .sound import SoundCopy

H264 = ('libx264', 'libopenh264', 'h264_videotoolbox', 'h264_mf')
VP9 = ('libvpx-vp9',)
BT709 = 1  # in the numbering of ITU-T H.273
MAX_SIDE = 16384  # of H.264 and VP9 in FFmpeg


class Kind(NamedTuple):
    """A kind of film file.

    Attributes:
        container: FFmpeg's name.
        encoders: FFmpeg's names, the first that is there is used.
        ticks: time stamps a second.
        sounds: codecs of sound that can be copied into it and that browsers play; None: all.
        options: of the container.
    """

    container: str
    encoders: tuple[str, ...]
    ticks: int
    sounds: tuple[str, ...] | None
    options: dict[str, str]


KINDS = {
    '.mp4': Kind('mp4', H264, 90_000, ('aac', 'mp3', 'mp3float', 'opus', 'flac', 'ac3', 'eac3'),
                 {'movflags': 'faststart'}),
    '.webm': Kind('webm', VP9, 1000, ('opus', 'vorbis'), {}),
    '.mkv': Kind('matroska', H264, 1000, None, {}),
}
ENCODER_OPTIONS = {
    # With frames out of order MP4 files of a variable rate end at a wrong time.
    'libx264': dict(preset='veryfast', crf='23', bf='0'),
    'libvpx-vp9': {'crf': '32', 'b': '0', 'deadline': 'realtime', 'cpu-used': '6', 'row-mt': '1'},
}


def check_film_name(path: str | Path) -> None:
    """Refuse a name that says no kind of film that is written.

    Raises:
        ValueError: see above; the message lists the kinds.
    """
    if Path(path).suffix.lower() not in KINDS:
        raise ValueError(f'{path}: a film is written as .mp4 (H.264), .webm (VP9) or .mkv (H.264), '
                         'by the end of its name')


class FilmWriter:
    """Writes frames with their times; a frame is shown until the next one's time.

    H.264 has even sides alone: an odd one gets its last row or column twice, so pixels keep their
    places. Frames of another size than the first are scaled to its.

    Args:
        path: where to write.
        kind: of ``KINDS``, by the name that the film will have.
        size: width and height of its frames in pixels.
        fps: frames a second on average, which the encoder plans with.
        aspect: width by height of a pixel.
        sound_of: the film whose sound is copied, by its path; None: no sound.

    Attributes:
        scaled: frames that had another size.

    Raises:
        OSError: it cannot be written, or there is no encoder for it.
        ValueError: its frames are too large for its codec.
    """

    def __init__(
        self, path: str | Path, kind: Kind, size: tuple[int, int], fps: float,
        aspect: Fraction = Fraction(1), sound_of: str | None = None,
    ) -> None:
        self._av = import_av()
        self.path, self.size, self._kind = str(path), size, kind
        self.scaled = 0
        if max(size) > MAX_SIDE:
            raise ValueError(f'frames of {size[0]} x {size[1]} are larger than the {MAX_SIDE} x '
                             f'{MAX_SIDE} of written films: write none (--no-save-vis)')
        self._waiting: tuple[np.ndarray, float] | None = None
        self._last_tick = -1
        self._durations: dict[int, int] = {}  # by time stamp; the encoder forgets them
        self._container = self._av.open(
            f'file:{path}', 'w', format=kind.container, container_options=kind.options)
        try:
            self._stream = self._pictures(fps, aspect)
            self._sound = None if sound_of is None else SoundCopy(
                sound_of, self._container, kind.sounds)
        except BaseException:
            self._container.close()
            raise

    def summary(self) -> str:
        """What else became of the film, in words; ``''`` where there is nothing to say."""
        parts = [f'{self.scaled} frames of another size are scaled'] if self.scaled else []
        if self._sound is not None and (sound := self._sound.summary()):
            parts.append(sound)
        return ', '.join(parts)

    def write(self, picture: np.ndarray, time: float) -> None:
        """Write a picture (H, W, 3) uint8 RGB that is shown from ``time``, in seconds, on.

        Raises:
            OSError: it cannot be written.
        """
        if picture.shape[1::-1] != self.size:
            self.scaled += 1
            picture = cv2.resize(picture, self.size)
        if self._waiting is not None:
            self._encode(*self._waiting, time)
        self._waiting = picture, time

    def close(self, end: float, whole: bool = True) -> None:
        """End the film: the last picture is shown until ``end``, in seconds.

        Args:
            end: see above.
            whole: whether sound behind it is copied, too.

        Raises:
            OSError: it cannot be written.
        """
        try:
            if self._waiting is not None:
                self._encode(*self._waiting, end)
                self._put(None)
                if self._sound is not None:
                    self._sound.copy_until(math.inf if whole else end)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file; what was not written to it is lost."""
        self._waiting = None
        if self._sound is not None:
            self._sound.close()
        try:
            self._container.close()
        except self._av.FFmpegError as error:
            raise OSError(f'cannot write {self.path}: {reason(error)}') from error

    def _pictures(self, fps: float, aspect: Fraction) -> Any:
        known = self._av.codecs_available
        name = next((name for name in self._kind.encoders if name in known), None)
        if name is None:
            raise OSError(f'cannot write {self.path}: this FFmpeg has none of the encoders '
                          f'{", ".join(self._kind.encoders)}; the wheels of av have them')
        rate = Fraction(fps).limit_denominator(1001)
        stream = self._container.add_stream(name, rate=max(rate, Fraction(1, 1001)),
                                            options=ENCODER_OPTIONS.get(name, {}))
        even = self._kind.encoders is H264
        stream.width, stream.height = (side + side % 2 if even else side for side in self.size)
        stream.pix_fmt = 'yuv420p'
        context = stream.codec_context
        context.sample_aspect_ratio = aspect.limit_denominator(255)
        context.time_base = Fraction(1, self._kind.ticks)
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = 1  # limited, as in television
        context.gop_size = 60
        return stream

    def _encode(self, picture: np.ndarray, time: float, end: float) -> None:
        width, height = self.size
        bottom, right = self._stream.height - height, self._stream.width - width
        if bottom or right:
            picture = np.pad(picture, ((0, bottom), (0, right), (0, 0)), mode='edge')
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format='rgb24')
        frame = frame.reformat(format='yuv420p', dst_colorspace='ITU709', dst_color_range='MPEG')
        frame.time_base = Fraction(1, self._kind.ticks)
        tick = max(self._last_tick + 1, round(time * self._kind.ticks))
        frame.pts, self._last_tick = tick, tick
        self._durations[tick] = max(1, round(end * self._kind.ticks) - tick)
        self._put(frame)
        if self._sound is not None:
            self._sound.copy_until(time)

    def _put(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                packet.duration = self._durations.pop(packet.pts, packet.duration)
                self._container.mux(packet)
        except self._av.FFmpegError as error:
            raise OSError(f'cannot write {self.path}: {reason(error)}') from error
