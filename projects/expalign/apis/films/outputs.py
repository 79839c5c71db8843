"""The results of a film: a film with what was found, and a line of JSON a frame."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from expalign.structures.detections import Detections
from expalign.utils import finished_file

from .sources import Film
from .writer import KINDS, FilmWriter


class FilmOutputs:
    """Writes frame by frame; the files get their names when all went well.

    Args:
        film: where to write the film, by its name of a kind of ``KINDS``; None: nowhere.
        lines: where to write the predictions; None: nowhere.
        frames: the film that is searched.
        every: how many of its frames a searched one stands for.
    """

    def __init__(self, film: Path | None, lines: Path | None, frames: Film, every: int = 1
                 ) -> None:
        self.files = [path for path in (film, lines) if path is not None]
        self._film, self._lines, self._frames, self._every = film, lines, frames, every
        self._writer: FilmWriter | None = None
        self._text = None
        self._whole = False
        self.notes = ''

    def __enter__(self) -> 'FilmOutputs':
        with ExitStack() as stack:
            if self._film is not None:
                partial = stack.enter_context(finished_file(self._film))
                frames = self._frames
                self._writer = FilmWriter(
                    partial, KINDS[self._film.suffix.lower()], frames.size,
                    frames.fps / self._every, frames.aspect, None if frames.live else frames.path)
            if self._lines is not None:
                partial = stack.enter_context(finished_file(self._lines))
                self._text = stack.enter_context(partial.open('w', encoding='utf-8'))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> bool | None:
        with self._stack:  # closes lines, and names or removes the files
            if self._writer is not None and kind is None:
                self._writer.close(self._frames.end, self._whole)
                self.notes = self._writer.summary()
            elif self._writer is not None:
                self._writer.abandon()
            return self._stack.__exit__(kind, error, trace) if kind else None

    def write(self, found: Detections) -> None:
        """Write what was found in a frame; detections have ``frame``."""
        if self._writer is not None:
            self._writer.write(found.plot(), found.frame.time)
        if self._text is not None:
            self._text.write(found.to_json() + '\n')

    def all_written(self) -> None:
        """Say that the film was read to its end: sound behind its pictures belongs to it."""
        self._whole = True
