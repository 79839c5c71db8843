"""The score from which on a detection counts as found, where nobody says another one."""

# Of pictures, lists, files of results and summaries, everywhere. What is evaluated keeps all that
# the model gives.
SCORE_THR = 0.3


def check_threshold(value: float) -> float:
    """A threshold of scores.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, str | bool) or not 0 <= float(value) <= 1:
        raise ValueError(f'the lowest score {value!r} is no number from 0 to 1')
    return float(value)
