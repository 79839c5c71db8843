"""The classes that a trained model knows, which it looks for where no text is given."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .prompts import parse_prompts, prompt_key

# Of a state dict's metadata and of a safetensors header.
KNOWN_CLASSES = 'known_classes'
FIELDS = {'names', 'thresholds', 'exclusive'}


@dataclass(frozen=True)
class KnownClasses:
    """Class names with what was measured for them; it travels with a model's weights.

    Attributes:
        names: K prompts, each another one; labels index them.
        thresholds: K scores from which a class counts as found, each None where it was not
            measured. None for all of them by default.
        exclusive: whether a thing is of one class alone, so that boxes of different classes
            suppress each other.

    Raises:
        ValueError: there is no name, a name occurs twice, or a threshold is no score.
    """

    names: tuple[str, ...]
    thresholds: tuple[float | None, ...] = ()
    exclusive: bool = False

    def __post_init__(self) -> None:
        names = tuple(parse_prompts(list(self.names)))
        keys = [prompt_key(name) for name in names]
        twice = next((name for name, key in zip(names, keys, strict=True)
                      if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f'the class {twice!r} is there twice (case and white space do not '
                             'count): give each class a name of its own')
        thresholds = tuple(self.thresholds) or (None,) * len(names)
        if len(thresholds) != len(names) or not all(map(_is_threshold, thresholds)):
            raise ValueError(f'{len(names)} classes need as many thresholds, each None or a score '
                             f'from 0 to 1, got {str(thresholds)[:200]}')
        if not isinstance(self.exclusive, bool):
            raise ValueError(f"'exclusive' is true or false, got {self.exclusive!r}")
        object.__setattr__(self, 'names', names)
        object.__setattr__(self, 'thresholds', tuple(
            None if value is None else float(value) for value in thresholds))

    def threshold_of(self, prompt: str) -> float | None:
        """The threshold of a prompt; None where the model has none for it.

        Case and white space do not count.
        """
        return self._by_key().get(prompt_key(prompt))

    def rows_of(self, prompts: Sequence[str]) -> list[int]:
        """The place of each prompt among the names, -1 where it is none of them."""
        places = {prompt_key(name): row for row, name in enumerate(self.names)}
        return [places.get(prompt_key(prompt), -1) for prompt in prompts]

    def with_thresholds(self, thresholds: Sequence[float | None]) -> 'KnownClasses':
        """The same classes with other thresholds."""
        return replace(self, thresholds=tuple(thresholds))

    def to_plain(self) -> dict[str, Any]:
        """Lists, numbers and strings, as JSON and a checkpoint can hold them."""
        return dict(names=list(self.names), thresholds=list(self.thresholds),
                    exclusive=self.exclusive)

    @classmethod
    def from_plain(cls, record: Any, where: str = 'the record of known classes'
                   ) -> 'KnownClasses':
        """What :meth:`to_plain` wrote; ``names`` alone is enough.

        Args:
            record: perhaps a stranger's.
            where: it was found, for the message.

        Raises:
            ValueError: it is something else; the message begins with ``where``.
        """
        if not isinstance(record, Mapping) or 'names' not in record or set(record) - FIELDS:
            raise ValueError(f"{where} must have 'names', and may have 'thresholds' and "
                             f"'exclusive', got {str(record)[:200]}")
        for key in ('names', 'thresholds'):
            if not isinstance(record.get(key, []), list | tuple):
                raise ValueError(f"{where}: '{key}' must be a list, got {str(record[key])[:200]}")
        try:
            return cls(tuple(record['names']), tuple(record.get('thresholds', ())),
                       record.get('exclusive', False))
        except (TypeError, ValueError) as error:
            raise ValueError(f'{where}: {error}') from error

    def _by_key(self) -> dict[str, float | None]:
        return {prompt_key(name): value
                for name, value in zip(self.names, self.thresholds, strict=True)}


def _is_threshold(value: Any) -> bool:
    if value is None:
        return True
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1
