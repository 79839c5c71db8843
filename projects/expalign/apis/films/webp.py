"""Frames of an animated WebP image, which FFmpeg does not decode and Pillow does."""

from collections.abc import Iterator

import numpy as np

from expalign.limits import IMAGE_PIXELS

from .decoding import DEFAULT_FPS, Frame


class WebPDecoder:
    """Goes through the frames once; attributes as those of :class:`.decoding.Decoder`.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read.
        LimitExceeded: its frames are larger than a limit.
    """

    codec, start = 'webp', 0.0

    def __init__(self, path: str) -> None:
        from PIL import Image
        self._image = Image.open(path)
        width, height = self._image.size
        IMAGE_PIXELS.check(width * height, f'{path} claims frames of {width} x {height}')
        self.num_frames = getattr(self._image, 'n_frames', 1)
        self.read = self.broken = self.damaged = 0
        self.fps, self.length = DEFAULT_FPS, 0.0  # known when all has been read
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[Frame]:
        time = 0.0
        for index in range(self.num_frames):
            try:
                self._image.seek(index)
                pixels = np.asarray(self._image.convert('RGB'))[..., ::-1]
            except (OSError, EOFError, ValueError) as error:
                self.error, self.broken = error, self.num_frames - index
                return
            duration = self._image.info.get('duration', 0) / 1000 or 1 / self.fps
            self.read += 1
            yield Frame(index, time, duration, np.ascontiguousarray(pixels))
            time += duration
            self.length, self.fps = time, self.read / time

    def close(self) -> None:
        """Close the file."""
        self._image.close()
