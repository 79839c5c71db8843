"""Images on their way from files to rows: read ahead in threads, searched in batches, in order."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from io import BytesIO
from threading import Lock
from typing import Any, NamedTuple

from expalign.limits import LimitExceeded
from expalign.utils.image_files import SUFFIXES, UnreadableImage, decode, read_head

from .labeller import Labeller
from .units import Item

KINDS = {b'\xff\xd8\xff': '.jpg', b'\x89PNG': '.png', b'BM': '.bmp', b'GIF8': '.gif',
         b'RIFF': '.webp', b'II': '.tif', b'MM': '.tif'}


LARGE = 24_000_000  # pixels; of images with more, one at a time is in memory


class End(NamedTuple):
    """Behind the last image of a task.

    Attributes:
        task: its number.
        archive: what was read to its end, and could not be listed before; else ''.
    """

    task: int
    archive: str = ''


class Ready(NamedTuple):
    """An image that was read.

    Attributes:
        size: (height, width), upright; None for one that cannot be used.
        prepared: what the labeller made of it, or the reason why it cannot be used.
        about: what its row has besides.
    """

    size: tuple[int, int] | None
    prepared: Any
    about: dict[str, Any]


class Reader:
    """Makes rows of images.

    Args:
        labeller: finds things.
        batch_size: images that it gets at a time.
        threads: that read and scale.
        stopped: says that no further batch is to be begun.
    """

    def __init__(self, labeller: Labeller, batch_size: int, threads: int,
                 stopped: Callable[[], bool] = lambda: False) -> None:
        self._labeller, self.batch_size, self._stopped = labeller, batch_size, stopped
        self._ahead = batch_size + 2 * threads
        self._threads = ThreadPoolExecutor(threads, 'read')
        self._large = Lock()

    def rows(self, entries: Iterator[Item | End]) -> Iterator[dict[str, Any] | End]:
        """The row of each image, and each end, in the order in which they came."""
        waiting: deque[tuple[Item | End, Future | None]] = deque()
        batch: list[tuple[Item | End, Ready | None]] = []
        images, more = 0, True
        while True:
            while more and len(waiting) < self._ahead:
                entry = next(entries, None)
                more = entry is not None
                if more:
                    waiting.append((entry, None if isinstance(entry, End) else
                                    self._threads.submit(self.read, entry)))
            if not waiting or self._stopped():
                break
            entry, future = waiting.popleft()
            batch.append((entry, None if future is None else future.result()))
            images += future is not None
            if images == self.batch_size:
                yield from self._finished(batch)
                batch, images = [], 0
        for _, future in waiting:
            if future is not None:
                future.cancel()
        yield from self._finished(batch)

    def row(self, item: Item) -> dict[str, Any]:
        """The row of one image, read and searched by itself."""
        (row,) = self._finished([(item, self.read(item))])
        return row

    def read(self, item: Item) -> Ready:
        """Read an image; one that cannot be used is no error."""
        about = dict(item.about)
        try:
            content = item.read()
            with self._large if _is_large(content) else nullcontext():
                size, prepared = self._prepared(content)
            if about and not item.key.lower().endswith(SUFFIXES):
                about['suffix'] = next(
                    (end for start, end in KINDS.items() if content.startswith(start)), '.img')
            return Ready(size, prepared, about)
        except FileNotFoundError:
            reason = 'there is no such file'
        except (UnreadableImage, LimitExceeded) as error:
            reason = str(error)
        except MemoryError:
            reason = 'there is not enough memory to read it'
        except OSError as error:
            reason = f'it cannot be read: {error.strerror or error}'
        return Ready(None, reason, about)

    def _prepared(self, content: bytes) -> tuple[tuple[int, int], Any]:
        pixels = decode(content)
        return pixels.shape[:2], self._labeller.prepare(pixels)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _finished(self, batch: list[tuple[Item | End, Ready | None]]
                  ) -> Iterator[dict[str, Any] | End]:
        usable = [ready.prepared for _, ready in batch if ready is not None and ready.size]
        found = iter(self._labeller.label(usable) if usable else ())
        for entry, ready in batch:
            if ready is None:
                yield entry
            elif ready.size is None:
                yield {'image': entry.key, **ready.about, 'error': ready.prepared}
            else:
                height, width = ready.size
                yield {'image': entry.key, **ready.about, 'width': width, 'height': height,
                       'detections': next(found)}


def _is_large(content: bytes) -> bool:
    head = read_head(BytesIO(content))
    return head is not None and head.width * head.height > LARGE
