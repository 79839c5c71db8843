"""Films made by PyAV: every frame tells its number, and stands where its time says."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (64, 48)
RATE = 48_000  # samples of sound a second


def picture(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) RGB: grey of value 10 * index, with a red corner at the top left."""
    width, height = size
    image = np.full((height, width, 3), 10 * index % 250, np.uint8)
    image[:height // 2, :width // 2] = 255, 0, 0
    return image


def write_film(
    path: Path, codec: str = 'libx264', frames: int = 10, size: tuple[int, int] = SIZE,
    fps: int = 10, times: list[float] | None = None, pixels: str = 'yuv420p', sound: str = '',
    title: str = '', **options: str,
) -> Path:
    """Write a film.

    Args:
        path: its name says the container.
        codec, pixels: FFmpeg's names of an encoder and of a form of pixels.
        times: seconds at which frames are shown; None: evenly.
        title: in its metadata.
        sound: encoder of a tone of the film's length; ``''``: none.
        options: of the encoder.
    """
    with av.open(str(path), 'w') as container:
        if title:
            container.metadata['title'] = title
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if sound:
            tone = container.add_stream(sound, rate=RATE)
            tone.codec_context.layout = 'mono'
        container.start_encoding()  # a film without frames is a file, too
        for index in range(len(times) if times is not None else frames):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format='rgb24')
            frame = frame.reformat(format=pixels)
            frame.time_base = Fraction(1, fps if times is None else 1000)
            frame.pts = index if times is None else round(1000 * times[index])
            container.mux(stream.encode(frame))
        if sound:
            container.mux(_tone(tone, frames / fps))
        container.mux(stream.encode(None))
    return path


def _tone(stream: av.AudioStream, seconds: float) -> list[av.Packet]:
    packets, samples = [], stream.codec_context.frame_size or 1024
    kind = stream.codec_context.format.name
    for start in range(0, round(RATE * seconds), samples):
        wave = np.sin(0.05 * np.arange(start, start + samples))[None] / 4
        wave = (32767 * wave).astype(np.int16) if 's16' in kind else wave.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave, format=kind, layout='mono')
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def described(path: Path) -> dict[str, object]:
    """What another reader of a film says: codecs, seconds, frames, their times."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        codecs = [stream.codec_context.name for stream in container.streams]
        seconds = container.duration / 1e6
        start = (container.start_time or 0) / 1e6
        times = [frame.time - start for frame in container.decode(video)]
    with av.open(str(path)) as container:
        sound = sum(packet.size for stream in container.streams.audio
                    for packet in container.demux(stream))
        if not container.streams.audio:
            sound = 0
    return dict(codecs=codecs, seconds=seconds, times=times, sound=sound,
                size=(video.width, video.height))
