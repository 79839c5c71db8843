"""Values of files as messages have them."""

MAX_SHOWN = 80  # letters
MAX_PRINTED = 100_000  # values inside one another


def shown(value: object) -> str:
    """A value of a file as a message has it, cut where it is long."""
    long = f'a {type(value).__name__} that is too long to print'
    try:
        text = repr(value) if _entries(value) < MAX_PRINTED else long
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = long
    return text if len(text) <= MAX_SHOWN else f'{text[:MAX_SHOWN]}...'


def _entries(value: object) -> int:
    """How many values are inside one another, as printed, counted up to ``MAX_PRINTED``.

    A list of a pickle may stand in many places, and be printed in each.
    """
    count, waiting = 0, [value]
    while waiting and count < MAX_PRINTED:
        inner = waiting.pop()
        count += 1
        if isinstance(inner, list | tuple | set | dict):
            waiting += list(inner.values() if isinstance(inner, dict) else inner)[:MAX_PRINTED]
    return count
