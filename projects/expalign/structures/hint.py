"""What is said of a prompt that a model understands badly."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .prompts import prompt_key

if TYPE_CHECKING:
    from .detections import Detections


class Hint(NamedTuple):
    """Another word for a thing scores far higher in an image in which a prompt finds nothing.

    Attributes:
        prompt: as it was asked for.
        score: its best one in the image.
        better: the other word, a name that the model knows.
        better_score: its best score, in maps that it did not gate.
    """

    prompt: str
    score: float
    better: str
    better_score: float

    def __str__(self) -> str:
        return (f'{self.prompt!r} is a weak prompt for this model (best {self.score:.2f}); '
                f'{self.better!r} scores {self.better_score:.2f}')


class HintTally:
    """The hints of a run over many images: one a prompt, for those that found nothing in any."""

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._hints: dict[str, Hint] = {}

    def add(self, found: 'Detections') -> None:
        """Count what was found in an image."""
        self._found.update(map(prompt_key, set(found.names)))
        for hint in found.hints:
            key = prompt_key(hint.prompt)
            before = self._hints.get(key)
            if before is None or hint.better_score > before.better_score:
                self._hints[key] = hint

    def hints(self) -> Sequence[Hint]:
        """What is to be said at the end."""
        return [hint for key, hint in self._hints.items() if key not in self._found]
