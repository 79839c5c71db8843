"""Checks of class names as prompts: their use, their wording, and train against val."""

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from expalign.datasets.phrases import plain

from .findings import Findings

# Names that people give to what they do not name.
PLACEHOLDERS = {
    'ignore', 'ignored', 'background', 'unlabeled', 'unlabelled', 'unknown', 'undefined', 'none',
    'null', 'other', 'others', 'misc', 'n/a', 'na', 'default', 'object', 'objects', 'item', 'thing',
    'dontcare', 'dont care', 'test', 'todo', 'void'}
NUMBERED = re.compile(
    r'(?:class|cls|category|cat|label|obj|object|id|type)?[ _-]*\d+', re.IGNORECASE)
ABBREVIATION = re.compile(r'[A-Z]{2,5}|[A-Z]')
CAMEL = re.compile(r'(?<=[a-z])(?=[A-Z])')
MAX_WORDS = 20
MAX_LISTED = 12
MAX_COMPARED = 2000  # names among which close ones are looked for


def check_use(names: Sequence[str], uses: Counter[str], findings: Findings) -> None:
    """Say which prompts have no instance, and which names cannot work as prompts."""
    for name in names:
        if not uses[name]:
            findings.notes.note('prompts without an instance', name)
        advice = advice_on(name)
        if advice is not None:
            findings.notes.note(f'names that say little as prompts: {advice[0]}', advice[1])
    by_plain = defaultdict(list)
    for name in names:
        by_plain[plain(name)].append(name)
    for same in by_plain.values():
        if len(same) > 1:
            findings.problems.note('classes whose names differ in case or marks alone, and are one '
                                   'prompt', ' and '.join(map(repr, same)))


def advice_on(name: str) -> tuple[str, str] | None:
    """What is wrong with a name as a prompt, and the name with a better one; None if nothing is."""
    spaced = ' '.join(CAMEL.sub(' ', re.sub(r'[_\-./]+', ' ', name)).split())
    if spaced.casefold() in PLACEHOLDERS or NUMBERED.fullmatch(spaced):
        return 'placeholders and numbers (say what is seen, or leave the class out)', repr(name)
    if ABBREVIATION.fullmatch(name):
        return 'abbreviations (write them out)', repr(name)
    if not any(letter.isalpha() for letter in name):
        return 'no word', repr(name)
    if len(spaced.split()) > MAX_WORDS:
        return f'more than {MAX_WORDS} words', repr(name[:80])
    if spaced.casefold() != ' '.join(name.split()).casefold() and not _is_word(name):
        return 'words that are not one space apart', f'{name!r}: {spaced.lower()!r}?'
    return None


def _is_word(name: str) -> bool:
    """Whether the only marks are hyphens inside a usual compound such as ``t-shirt``."""
    return any(len(part) <= 2 for part in name.split('-')) and not re.search(r'[_./]', name) and (
        CAMEL.search(name) is None)


def compare_classes(train: Collection[str], other: Collection[str]) -> list[str]:
    """In what the classes of two splits differ, as lines; empty if they are the same.

    Args:
        train: names of the training classes.
        other: of the validation or test classes.
    """
    in_train, in_other = set(train), set(other)
    only_train = [name for name in dict.fromkeys(train) if name not in in_other]
    only_other = [name for name in dict.fromkeys(other) if name not in in_train]
    by_folded = {plain(name): name for name in only_train}
    lines = []
    if only_other:
        lines.append('not in train: ' + _listed(
            only_other, [repr(name) + _close(name, by_folded) for name in only_other[:MAX_LISTED]]))
    if only_train:
        lines.append('in train only: ' + _listed(
            only_train, [repr(name) for name in only_train[:MAX_LISTED]]))
    return lines


def _close(name: str, by_folded: dict[str, str]) -> str:
    if plain(name) in by_folded:
        return f' (train has {by_folded[plain(name)]!r})'
    if len(by_folded) > MAX_COMPARED:
        return ''
    close = difflib.get_close_matches(plain(name), by_folded, n=1, cutoff=0.8)
    return f' (train has {by_folded[close[0]]!r})' if close else ''


def _listed(names: list[str], shown: list[str]) -> str:
    more = f' and {len(names) - len(shown)} more' if len(names) > len(shown) else ''
    return ', '.join(shown) + more
