"""Other ways to say what a class is, to be tried as prompts."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np

from expalign.structures.name_keys import IRREGULAR
from expalign.structures.prompts import prompt_key

from .word_table import other_words

# Names of colours, and what they are in CIE Lab (D65), L from 0 to 100.
COLOURS = {
    'black': (15, 0, 0), 'grey': (55, 0, 0), 'white': (95, 0, 0), 'red': (45, 60, 40),
    'orange': (68, 35, 65), 'yellow': (87, 0, 75), 'green': (50, -40, 35), 'blue': (40, 15, -50),
    'purple': (40, 45, -35), 'pink': (75, 35, 5), 'brown': (38, 18, 28)}
PLURALS = {single: many for many, single in IRREGULAR.items()}
MIDDLE = 0.5  # share of a box's sides in which its thing is


def wordings(name: str, near: Iterable[str] = ()) -> list[str]:
    """Wordings of a class without colours, each once, the best guesses in front.

    Args:
        name: of the class, as it is written; it is the first wording.
        near: names that a model takes for close to it.
    """
    plain = readable(name)
    found = [name, plain, with_article(plain), plural(plain), *other_words(name), *near]
    return distinct(found)


def coloured(colour: str, nouns: Sequence[str]) -> list[str]:
    """Nouns with a colour in front, where they have none."""
    return [f'{colour} {noun}' for noun in nouns if not set(noun.lower().split()) & set(COLOURS)]


def readable(name: str) -> str:
    """A name as people say it: 'WhiteKing', 'white-king' and 'white_king' are 'white king'."""
    text = re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name)
    text = re.sub(r'[_\-/]+', ' ', text)
    text = re.sub(r'\s*\([^)]*\)', '', text) or text
    text = ' '.join(text.split()) or name
    return text if text.isupper() else text.lower()


def with_article(name: str) -> str:
    """'an apple', 'a cup'; as it is where it has an article."""
    if name.lower().startswith(('a ', 'an ', 'the ')):
        return name
    return f'{"an" if name[:1].lower() in "aeiou" else "a"} {name}'


def plural(name: str) -> str:
    """The plural of a name, by its last word; of a plural, the singular where it is plain."""
    before, blank, word = name.rpartition(' ')
    lower = word.lower()
    if lower in PLURALS or lower in IRREGULAR:
        return before + blank + (PLURALS.get(lower) or IRREGULAR[lower])
    if lower.endswith(('s', 'x', 'z', 'ch', 'sh')):
        single = lower.endswith('s') and not lower.endswith(('ss', 'us', 'is')) and len(lower) > 3
        return before + blank + (word[:-1] if single else f'{word}es')
    if lower.endswith('y') and lower[-2:-1] not in tuple('aeiou'):
        return f'{before}{blank}{word[:-1]}ies'
    return f'{before}{blank}{word}s'


def distinct(texts: Iterable[str]) -> list[str]:
    """Each wording once, without empty ones; case and white space do not count."""
    first: dict[str, str] = {}
    for text in texts:
        if text.strip():
            first.setdefault(prompt_key(text), ' '.join(text.split()))
    return list(first.values())


def near_names(vector: np.ndarray, names: Sequence[str], table: np.ndarray, count: int = 4
               ) -> list[str]:
    """The names whose vectors are closest to one, without remarks in brackets.

    Args:
        vector: (D) of the class.
        names: n names.
        table: (n, D), L2-normalised.
        count: how many.
    """
    order = np.argsort(-(table @ (vector / max(np.linalg.norm(vector), 1e-12))), kind='stable')
    return distinct(readable(names[row]) for row in order[:2 * count])[:count]


def colour_of(crops: Iterable[np.ndarray]) -> str | None:
    """The name of the colour that most crops have in their middle; None without a crop.

    Args:
        crops: (H, W, 3) uint8 BGR, each cut along a box.
    """
    votes: dict[str, int] = {}
    for crop in crops:
        if crop.size:
            name = _colour(crop)
            votes[name] = votes.get(name, 0) + 1
    return max(votes, key=votes.get) if votes else None


def _colour(crop: np.ndarray) -> str:
    height, width = crop.shape[:2]
    margins = int(height * (1 - MIDDLE) / 2), int(width * (1 - MIDDLE) / 2)
    middle = crop[margins[0]:height - margins[0], margins[1]:width - margins[1]]
    small = cv2.resize(middle, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = np.median(cv2.cvtColor(small, cv2.COLOR_BGR2LAB).reshape(-1, 3), axis=0)
    distances = {name: np.hypot(*(lab[1:] - np.array(value[1:]))) + 0.6 * abs(lab[0] - value[0])
                 for name, value in COLOURS.items()}
    return min(distances, key=distances.get)


def candidates(name: str, own: Iterable[str], near: Callable[[str], list[str]],
               others: Iterable[str], limit: int) -> list[str]:
    """What to try for a class: its name, the user's wordings, then what the tables give.

    Args:
        name: of the class.
        own: the user's wordings.
        near: gives names that the model takes for close to a text.
        others: names of the other classes, which are no wordings of this one.
        limit: how many at most, the user's not counted.
    """
    taken = {prompt_key(readable(other)) for other in others} | {prompt_key(o) for o in others}
    own = list(own)
    found = distinct([name, *own, *wordings(name, near(readable(name)))])
    kept = [text for text in found if text == name or prompt_key(text) not in taken]
    return kept[:limit + len(own)]


def rounds_of(lists: Sequence[Sequence[str]], width: int) -> Iterator[list[str]]:
    """Lists of prompts in which each wording of all classes is once, about ``width`` in each.

    The i-th list has the i-th wordings, so that the prompts of a list are of different classes, as
    in use.
    """
    seen: set[str] = set()
    depth = max(map(len, lists), default=0)
    row: list[str] = []
    for place in range(depth):
        for texts in lists:
            if place < len(texts) and prompt_key(texts[place]) not in seen:
                seen.add(prompt_key(texts[place]))
                row.append(texts[place])
        if len(row) >= max(width, 1):
            yield row
            row = []
    if row:
        yield row
