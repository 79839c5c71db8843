"""Spellings of one name: case, white space, hyphens, article, a sentence around it, the plural.

Words alone decide here, not meanings: a key is a guess that counts where a table has that name.
"""

import re
from collections.abc import Iterator, Sequence

from expalign.structures.prompts import prompt_key

from .prompt_frame import without_frame

# Plurals that no ending tells.
IRREGULAR = {
    'people': 'person', 'men': 'man', 'children': 'child', 'feet': 'foot', 'teeth': 'tooth',
    'geese': 'goose', 'mice': 'mouse', 'lice': 'louse', 'dice': 'die', 'oxen': 'ox',
    'cacti': 'cactus', 'fungi': 'fungus', 'octopi': 'octopus', 'loaves': 'loaf'}
# Endings, and what they are in the singular. Of several that fit, the first known one is meant:
# 'shoes' are 'shoe', 'axes' 'axe' before 'ax', 'ties' 'tie', 'ponies' 'pony', 'leaves' 'leaf'.
ENDINGS = tuple((re.compile(plural), singular) for plural, singular in (
    ('(?<!s)s$', ''), ('(?:(?<=[sxzo])|(?<=[cs]h))es$', ''), ('ies$', 'y'), ('ves$', 'f'),
    ('ves$', 'fe'), ('men$', 'man')))
SHORTEST = 4  # letters of a plural
# Things of their own: 'glasses' are no drinking glass (while 'wine glasses' are a wine glass).
NO_PLURALS = frozenset((
    'arms', 'boxers', 'briefs', 'clothes', 'customs', 'glasses', 'goods', 'shorts', 'spectacles',
    'trunks'))


def name_keys(name: str) -> Iterator[str]:
    """Keys of a name in falling order of trust.

    Args:
        name: as somebody wrote it.

    Yields:
        The name without regard to case and white space; the same with blanks for hyphens and
        underscores, and without its article and a frame such as 'a photo of'; and each of these in
        the singular.
    """
    plain = prompt_key(name)
    spellings = dict.fromkeys((plain, ' '.join(plain.replace('-', ' ').replace('_', ' ').split())))
    spellings |= dict.fromkeys(map(without_frame, tuple(spellings)))
    yield from filter(None, spellings)
    for key in spellings:
        yield from singulars(key)


def singulars(key: str) -> Iterator[str]:
    """What the singular of a name may be, if it is a plural; its last word is what is counted."""
    before, blank, word = key.rpartition(' ')
    if key in NO_PLURALS:
        return
    if word in IRREGULAR:
        yield before + blank + IRREGULAR[word]
    if len(word) >= SHORTEST:
        for plural, singular in ENDINGS:
            if plural.search(word):
                yield before + blank + plural.sub(singular, word)


class NameTable:
    """Finds names by any of their spellings.

    A name's own spelling counts before what is made of it, and a name before another one's
    singular. Names that are only there in the plural are found by their singular, too.

    Args:
        names: n names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._rows: dict[str, int] = {}
        keys = [list(name_keys(name)) for name in self.names]
        for depth in range(max(map(len, keys), default=0)):
            for row, own in enumerate(keys):
                if depth < len(own):
                    self._rows.setdefault(own[depth], row)

    def row_of(self, prompt: str) -> int | None:
        """The row of the name that a prompt is a spelling of, or None."""
        return next((self._rows[key] for key in name_keys(prompt) if key in self._rows), None)
