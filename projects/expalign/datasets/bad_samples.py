"""Images that cannot be used: their errors, and the account of those that training skips."""

import copy
import logging
from collections.abc import Callable

import torch
from mmengine.logging import print_log

MAX_LISTED = 20


class BadSample(Exception):
    """Something about one image makes it unusable; the message names the file and the remedy.

    Training skips such images, up to ``max_bad_images`` of them; testing stops.

    Args:
        message: for people.
        sample_idx: the image's position in its data set (``results['sample_idx']``).
    """

    def __init__(self, message: str, sample_idx: int | None = None) -> None:
        super().__init__(message)
        self.sample_idx = sample_idx


class BadImage(BadSample, OSError):
    """The file is not an image that can be used: empty, damaged, of another size."""


class ImageOfOtherSize(BadImage):
    """The image has not the annotated size."""


class MissingImage(BadSample, FileNotFoundError):
    """There is no such file."""


class BadAnnotation(BadSample, ValueError):
    """An annotation of the image is not in its form."""


class BadImages:
    """Which images of a data set were found unusable.

    One flag an image, in memory that the worker processes of a data loader share: the count is
    of distinct images, whichever worker met them, and each is reported once. Every process of a
    distributed run has its own account.

    Args:
        size: the number of images.
        limit: how many may be skipped.
        path_of: gives the file of the image at a position.
    """

    def __init__(self, size: int, limit: int, path_of: Callable[[int], str]) -> None:
        self._flags = torch.zeros(size, dtype=torch.uint8).share_memory_()
        self._limit = limit
        self._path_of = path_of

    def __deepcopy__(self, memo: dict) -> 'BadImages':
        other = BadImages(len(self._flags), self._limit, copy.deepcopy(self._path_of, memo))
        other._flags.copy_(self._flags)  # torch's own copies are not shared
        return other

    def __len__(self) -> int:
        return int(self._flags.sum())

    def paths(self) -> list[str]:
        """The files that were skipped."""
        return [self._path_of(i) for i in self._flags.nonzero()[:, 0].tolist()]

    def add(self, position: int, error: BadSample) -> None:
        """Note that the image at ``position`` is unusable.

        Raises:
            RuntimeError: there are more than allowed, or no others; the message names the files.
        """
        known = bool(self._flags[position])
        self._flags[position] = 1
        if len(self) > self._limit or len(self) == len(self._flags):
            raise RuntimeError(self._message()) from error
        if not known:
            print_log(f'{error} (image skipped; skipped so far: {len(self)}, at most '
                      f'{self._limit})', logger='current', level=logging.WARNING)

    def _message(self) -> str:
        paths = self.paths()
        listed = '\n  '.join(paths[:MAX_LISTED])
        more = f'\n  and {len(paths) - MAX_LISTED} more' if len(paths) > MAX_LISTED else ''
        return (f'{len(paths)} of {len(self._flags)} images cannot be used, more than '
                f"'max_bad_images'={self._limit} of the dataset allows (or all of them). The last "
                f'error is above. Repair or remove these files, or allow more:\n  {listed}{more}')
