"""Values of annotation files as people's tools write them: numbers as text, flags as words."""

import math
from numbers import Real

FLAGS = {'0': 0, '1': 1, 'false': 0, 'true': 1}


def number(value: object) -> float | int | None:
    """A finite number; text that spells one is read. None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value) if value.isascii() and '_' not in value else math.nan
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # a whole number of more than 308 digits
        return None


def whole(value: object) -> int | None:
    """A whole number, also as text or as 640.0; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def flag(value: object) -> int | None:
    """0 or 1 for a flag: absent, a number, text or true and false; None for anything else."""
    if value is None:
        return 0
    if isinstance(value, str):
        return FLAGS.get(value.strip().lower())
    return int(value) if isinstance(value, Real) and value in (0, 1) else None


def identifier(value: object) -> int | str | None:
    """An id: a whole number or text that is not empty. None for anything else."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
