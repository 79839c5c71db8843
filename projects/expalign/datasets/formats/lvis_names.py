"""LVIS v1's class names as prompts."""

import re
from collections import Counter
from collections.abc import Sequence

QUALIFIED = re.compile(r'^(?P<name>.*?)_?\((?P<qualifier>[^)]*)\)$')
# Slips of the annotation files: a misspelt word, and two names in one.
CORRECTED = {
    'speaker_(stero_equipment)': 'speaker_(stereo_equipment)',
    'monitor_(computer_equipment) computer_monitor': 'computer_monitor',
}


def clean_lvis_names(raw_names: Sequence[str]) -> list[str]:
    """Names in plain words, for names such as ``'bat_(animal)'``.

    Underscores become spaces. A qualifier in parentheses is left out (``'bat'``) unless two
    classes would then have one name: those keep it (``'bow (weapon)'`` and
    ``'bow (decorative ribbons)'``; ``'fish (food)'`` beside ``'fish'``).
    """
    raw_names = [CORRECTED.get(name, name) for name in raw_names]
    short = [_words(QUALIFIED.sub(r'\g<name>', name)) for name in raw_names]
    uses = Counter(name.casefold() for name in short)
    return [
        name if uses[name.casefold()] == 1 else _words(raw.replace('_(', ' ('))
        for name, raw in zip(short, raw_names, strict=True)]


def _words(name: str) -> str:
    return ' '.join(name.replace('_', ' ').split())
