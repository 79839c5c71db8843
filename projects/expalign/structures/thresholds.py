"""The score from which on a detection counts as found, where nobody says another one.

It is that of pictures, lists, files of results and summaries, everywhere. What is evaluated keeps
all that the model gives.

A threshold that the model has for a prompt is used for it, see :class:`~.known_classes.
KnownClasses`. Other prompts share one that depends on how many there are: of eighty names three or
four are in a photograph, and a single one is mostly asked for because it is there, so the odds that
a box of middling score is right are far better. ``docs/results.md`` has the curves.
"""

import math
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import Literal

from .known_classes import KnownClasses

ScoreThr = float | Literal['auto'] | Sequence[float]
SCORE_THR: ScoreThr = 'auto'
FOR_ONE, FOR_MANY, MANY = 0.07, 0.2, 80


def default_threshold(num_prompts: int) -> float:
    """The threshold of prompts of which nothing is known: 0.07 for one to 0.2 for 80 and more.

    Between them its logit grows with the logarithm of the number.
    """
    share = math.log(min(max(num_prompts, 1), MANY)) / math.log(MANY)
    logit = (1 - share) * _logit(FOR_ONE) + share * _logit(FOR_MANY)
    return round(1 / (1 + math.exp(-logit)), 3)


def thresholds_of(
    prompts: Sequence[str], score_thr: ScoreThr = SCORE_THR, known: KnownClasses | None = None
) -> list[float]:
    """The threshold of every prompt.

    Args:
        prompts: K prompts that are searched for together.
        score_thr: one for all of them; one for each; or ``'auto'``: the model's own, else
            :func:`default_threshold`.
        known: what the model knows of its classes.

    Raises:
        ValueError: ``score_thr`` is none of these.
    """
    if not isinstance(score_thr, str | int | float):
        if len(score_thr) != len(prompts):
            raise ValueError(f'{len(score_thr)} lowest scores for {len(prompts)} prompts')
        return [float(check_threshold(value)) for value in score_thr]
    if check_threshold(score_thr) != 'auto':
        return [float(score_thr)] * len(prompts)
    default = default_threshold(len(prompts))
    own = [None if known is None else known.threshold_of(prompt) for prompt in prompts]
    return [default if value is None else value for value in own]


def check_threshold(value: float | str) -> float | str:
    """A threshold of scores, or ``'auto'``.

    Raises:
        ValueError: it is none.
    """
    if value == 'auto' and isinstance(value, str):
        return value
    if isinstance(value, str | bool) or not 0 <= float(value) <= 1:
        raise ValueError(f"the lowest score {value!r} is no number from 0 to 1, nor 'auto'")
    return float(value)


def threshold_argument(text: str) -> float | str:
    """The type of an argument of a command line.

    Raises:
        argparse.ArgumentTypeError: it is no threshold.
    """
    try:
        return check_threshold(text if text == 'auto' else float(text))
    except ValueError:
        raise ArgumentTypeError(f"{text} is no number from 0 to 1, nor 'auto'") from None


def _logit(score: float) -> float:
    return math.log(score / (1 - score))
