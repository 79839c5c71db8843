"""What a prompt's wording is: synonyms, and which two phrases say the same.

An entry of a vocabulary is a phrase or a list of synonyms.
"""

from collections.abc import Iterable
from functools import lru_cache

Entry = str | list[str]
# Endings of a plural and of its singular. English leaves more than one open ("shoes", "boxes").
PLURALS = (('ies', 'y'), ('es', ''), ('s', ''))


def synonyms(entry: Entry) -> list[str]:
    """The phrases of an entry."""
    return [entry] if isinstance(entry, str) else entry


@lru_cache(maxsize=2**16)
def plain(phrase: str) -> str:
    """A phrase in lower case, with single spaces and none around it."""
    return ' '.join(phrase.casefold().split())


@lru_cache(maxsize=2**16)
def forms(phrase: str) -> frozenset[str]:
    """A phrase and what its last word may be the plural of, in :func:`plain` form.

    Two phrases say the same if they have a form in common: "Shoe" and "shoes" have "shoe".
    """
    phrase = plain(phrase)
    found = {phrase}
    if not phrase.endswith('ss'):
        found |= {phrase[:-len(end)] + singular for end, singular in PLURALS
                  if phrase.endswith(end) and len(phrase.split(' ')[-1]) > len(end) + 1}
    return frozenset(found)


def forms_of(entries: Iterable[Entry]) -> set[str]:
    """All forms of all synonyms of entries."""
    return set().union(*(forms(phrase) for entry in entries for phrase in synonyms(entry)))


def says_one_of(entry: Entry, said: set[str]) -> bool:
    """Whether an entry, or one of its synonyms, has a form that is among those ``said``."""
    return any(not said.isdisjoint(forms(phrase)) for phrase in synonyms(entry))
