"""Photographs and results of all visitors, and what is done with them."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from expalign.apis.inferencer import ExpAlignInferencer
from expalign.apis.vocabularies import SOURCES, named_vocabulary
from expalign.structures.prompt_set import PromptSet
from expalign.structures.thresholds import ScoreThr, default_threshold
from expalign.utils.picture_files import encode_picture, shrunk

from . import limits
from .drawn import Drawn, prompts_of_drawn
from .photographs import PhotographError, decode, read_file
from .requests import Refused
from .search import SHOWN_SIDE, Found, search, summary
from .shelf import Amount, Shelf

SAMPLE = 'sample-'
SMALL_SIDE = 240  # pixels of a sample's small picture
SAMPLE_RESULT = 'sample-result-'
NAME_LETTERS = 120
KEPT_EXAMPLES = 32  # sets of prompts that were made of drawn boxes


class Sample(NamedTuple):
    """A photograph to try: its file, prompts that fit, and what is to be seen in it."""

    path: str | Path
    text: str
    title: str


class Service:
    """What the page can do; whose a request is was found out before.

    Args:
        inferencer: the detector; one search at a time.
        samples: photographs to try.
        folder: for photographs.
    """

    def __init__(self, inferencer: ExpAlignInferencer, samples: Sequence[Sample], folder: Path
                 ) -> None:
        self.inferencer, self.samples = inferencer, list(samples)
        self._folder, self._sample_results = folder, dict[int, Found]()
        self._photographs: Shelf[Path] = Shelf(
            Amount(limits.VISITOR_BYTES, limits.VISITOR_FILES),
            Amount(limits.TOTAL_BYTES, limits.TOTAL_FILES), _remove)
        self._results: Shelf[Found] = Shelf(
            Amount(limits.VISITOR_RESULT_BYTES, limits.VISITOR_RESULTS),
            Amount(limits.RESULT_BYTES, limits.RESULTS))
        self._drawn: OrderedDict[tuple[str, tuple[Drawn, ...]], PromptSet] = OrderedDict()
        self._number, self._lock = 0, threading.Lock()

    def sweep(self) -> None:
        """Forget what is too old."""
        self._photographs.sweep()
        self._results.sweep()

    def start(self) -> dict[str, Any]:
        """What the page needs to know at first."""
        own = self.inferencer.model.own_prompts()
        return dict(
            model=self.inferencer.name,
            samples=[dict(photograph=f'{SAMPLE}{number}', text=sample.text, title=sample.title)
                     for number, sample in enumerate(self.samples)],
            own=None if own is None else list(own),
            everything=self.inferencer.model.known_names is not None, vocabularies=[*SOURCES],
            defaults=[default_threshold(number) for number in range(1, 81)],
            limits={name: limit.value for name, limit in dict(
                bytes=limits.PHOTOGRAPH_BYTES, pixels=limits.PHOTOGRAPH_PIXELS,
                photographs=limits.PHOTOGRAPHS, examples=limits.EXAMPLES).items()})

    def vocabulary(self, name: str) -> list[str]:
        """The prompts of a vocabulary."""
        if name not in SOURCES:
            raise Refused(404, 'there is no such vocabulary')
        return list(named_vocabulary(name))

    def sample_picture(self, number: int, small: bool) -> bytes:
        """A sample as a JPEG."""
        pixels = self._pixels(f'{SAMPLE}{number}', '')
        return encode_picture(shrunk(pixels, SMALL_SIDE if small else SHOWN_SIDE), '.jpg') or b''

    @contextmanager
    def new_file(self) -> Iterator[Path]:
        """A name for a photograph that is coming; it goes where the block ends by an error."""
        with self._lock:
            self._number += 1
            path = self._folder / f'{self._number}'
        try:
            yield path
        except BaseException:
            _remove(path)
            raise

    def add(self, path: Path, visitor: str, holder: str) -> dict[str, Any]:
        """Keep a photograph; what it is kept as, and its size in pixels.

        Raises:
            Refused: it is none.
        """
        content = path.read_bytes()
        height, width = _decoded(content).shape[:2]
        name = self._photographs.add(path, len(content), visitor, holder)
        return dict(photograph=name, width=width, height=height)

    def search(self, photograph: str, text: str, name: str, drawn: tuple[Drawn, ...], visitor: str,
               holder: str) -> dict[str, Any]:
        """Search a visitor's photograph, or a sample, for words and drawn boxes.

        Returns:
            ``result``: what the result is kept as; and :func:`~.search.summary`.

        Raises:
            Refused: the photograph or the prompts cannot be used.
        """
        number = self._sample_number(photograph)
        shared = number is not None and not drawn and text == self.samples[number].text
        if shared and number in self._sample_results:
            found = self._sample_results[number]
        else:
            name = Path(self.samples[number].path).name if number is not None else _clean(name)
            found = search(self.inferencer, self._pixels(photograph, visitor), text, name,
                           photograph, self._examples(drawn, visitor))
        if shared:
            self._sample_results[number] = found
            result = f'{SAMPLE_RESULT}{number}'
        else:
            result = self._results.add(found, found.weight, visitor, holder)
        return dict(result=result, **summary(found))

    def _examples(self, drawn: tuple[Drawn, ...], visitor: str) -> Sequence[str]:
        """The prompts of drawn boxes, made once for the photographs of a gallery."""
        if not drawn:
            return ()
        key = visitor, drawn
        if key not in self._drawn:
            self._drawn[key] = prompts_of_drawn(
                self.inferencer, drawn, lambda photograph: self._pixels(photograph, visitor))
            if len(self._drawn) > KEPT_EXAMPLES:
                self._drawn.popitem(last=False)
        return self._drawn[key]

    def result(self, name: str, visitor: str) -> Found:
        """A visitor's result, or that of a sample.

        Raises:
            Refused: there is none.
        """
        number = name.removeprefix(SAMPLE_RESULT)
        if number != name and number.isdecimal():
            found = self._sample_results.get(int(number))
        else:
            found = self._results.find(name, visitor)
        if found is None:
            raise Refused(410, 'this result is not kept any more: search again')
        return found

    def pixels_of(self, found: Found, visitor: str) -> np.ndarray:
        """The photograph of a result in its own size, (H, W, 3) uint8 RGB."""
        return self._pixels(found.photograph, visitor)

    def _pixels(self, photograph: str, visitor: str) -> np.ndarray:
        number = self._sample_number(photograph)
        if number is not None:
            return _decoded(Path(self.samples[number].path).read_bytes())
        path = self._photographs.find(photograph, visitor)
        if path is None:
            raise Refused(410, 'this photograph is not kept any more: choose it again')
        try:
            return _decoded(read_file(path))
        except PhotographError as error:  # swept meanwhile
            raise Refused(410, f'this photograph {error}') from error

    def _sample_number(self, photograph: str) -> int | None:
        number = photograph.removeprefix(SAMPLE)
        if number == photograph:
            return None
        if not number.isdecimal() or int(number) >= len(self.samples):
            raise Refused(404, 'there is no such sample')
        return int(number)


def read_threshold(text: str) -> ScoreThr:
    """The lowest score of a request.

    Raises:
        Refused: it is neither a number from 0 to 1 nor ``auto``.
    """
    if text == 'auto':
        return 'auto'
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise Refused(400, "the lowest score is a number from 0 to 1, or 'auto'")
    return value


def _decoded(content: bytes) -> np.ndarray:
    try:
        return decode(content)
    except PhotographError as error:
        raise Refused(422, f'{error}') from error


def _clean(name: str) -> str:
    """A file's name without its folders and what cannot be seen."""
    name = name.replace('\\', '/').rpartition('/')[2]
    return ''.join(letter for letter in name if letter.isprintable())[-NAME_LETTERS:]


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
