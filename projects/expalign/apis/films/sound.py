"""Copying of a film's sound, as it is, beside new pictures."""

from collections.abc import Iterator, Sequence
from typing import Any

from .containers import import_av, letters, reason


class SoundCopy:
    """Copies the sound of a film packet by packet, those that can be decoded.

    Browsers end a film at the first piece of sound that is damaged. The film is read a second
    time, so that no packet waits in memory for its pictures.

    Args:
        path: the film.
        output: PyAV's container to write to, before its first packet.
        allowed: codecs that are copied; None: all that the container takes.

    Attributes:
        damaged: packets that are left out because they are.
    """

    def __init__(self, path: str, output: Any, allowed: Sequence[str] | None) -> None:
        self._av = import_av()
        self._output = output
        self._input = self._av.open(f'file:{path}', **letters(self._av))
        self._start = (self._input.start_time or 0) / 1e6
        self._copies: dict[int, Any] = {}
        self._last: dict[int, int] = {}
        self.damaged = 0
        self._left_out: list[str] = []
        for stream in self._input.streams.audio:
            copy = self._copy_of(stream, allowed)
            if copy is None:
                self._left_out.append(_name(stream))
            else:
                self._copies[stream.index] = copy
        self._packets = self._read()
        self._next = next(self._packets, None)

    def summary(self) -> str:
        """What became of the sound, in words; ``''`` where there is none."""
        parts = []
        if self._copies:
            parts.append(f'its sound ({", ".join(map(_name, self._copies.values()))}) is copied')
        if self.damaged:
            parts.append(f'{self.damaged} pieces of it are damaged and left out')
        if self._left_out:
            parts.append(f'its sound ({", ".join(self._left_out)}) is left out, which such a file '
                         'cannot hold: .mkv can')
        return ', '.join(parts)

    def copy_until(self, time: float) -> None:
        """Copy what is heard before ``time``, in seconds from the film's start.

        Raises:
            OSError: it cannot be written.
        """
        while self._next is not None and self._next[0] < time:
            packet = self._next[1]
            self._next = next(self._packets, None)
            try:
                self._output.mux(packet)
            except self._av.error.InvalidDataError:
                self.damaged += 1
            except self._av.FFmpegError as error:
                raise OSError(f'the sound cannot be written: {reason(error)}') from error

    def close(self) -> None:
        """Close the film that is read."""
        self._next = None
        self._packets.close()
        self._input.close()

    def _copy_of(self, stream: Any, allowed: Sequence[str] | None) -> Any:
        if stream.codec_context is None or (
                allowed is not None and stream.codec_context.name not in allowed):
            return None
        try:
            return self._output.add_stream_from_template(stream)
        except (self._av.FFmpegError, ValueError):  # what this kind of file does not take
            return None

    def _read(self) -> Iterator[tuple[float, Any]]:
        """Packets with their times, in seconds from the film's start."""
        if not self._copies:
            return
        streams = [self._input.streams[index] for index in self._copies]
        packets = self._input.demux(streams)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, self._av.FFmpegError):  # the pictures tell that it is cut off
                return
            if packet.dts is None:
                continue
            if not self._is_whole(packet):
                self.damaged += 1
                continue
            index, tick = packet.stream_index, round(self._start / packet.time_base)
            packet.dts -= tick
            packet.pts = packet.dts if packet.pts is None else packet.pts - tick
            if packet.dts <= self._last.get(index, packet.dts - 1):
                continue  # joined recordings go back in time, files do not
            self._last[index] = packet.dts
            time = float(packet.dts * packet.time_base)
            packet.stream = self._copies[index]
            yield time, packet

    def _is_whole(self, packet: Any) -> bool:
        try:
            packet.decode()
        except self._av.FFmpegError:
            return False
        return not packet.is_corrupt


def _name(stream: Any) -> str:
    return 'an unknown codec' if stream.codec_context is None else stream.codec_context.name
