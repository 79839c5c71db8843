"""What a picture is asked: prompts with the objects that they are true of, and prompts that are
true of none.

Training prompts of one list are true of different objects: a cell has one prompt to learn. Test
prompts are asked one by one, each in a split:

- ``nouns``: the bare noun; absent nouns too;
- ``seen``: attribute and noun, a combination of training;
- ``combinations``: a held-out combination of seen words;
- ``held-out nouns``: an attribute and a noun that training never names;
- ``function words``, ``paraphrases``: wordings that training never uses, combinations of training;
- ``negation``: "chair that is not red";
- ``relations``: "small blue box left of a horse".

In each split but ``nouns`` a true prompt has a ``rival``: the same wording with another attribute
(or the opposite relation) that is true of nothing in the picture.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .scene import Scene, Thing
from .words import (
    COLOURLESS,
    FUNCTION_FORMS,
    HELD_NOUNS,
    OPPOSITE,
    RELATIONS,
    TEXTURES,
    article,
    held_out,
    kind_of,
    paraphrases,
    trained_attributes,
    with_function_words,
)

SPLITS = ('nouns', 'seen', 'combinations', 'held-out nouns', 'function words', 'paraphrases',
          'negation', 'relations')
NEGATIVES = 3  # of training, a class of objects
ABSENT_NOUNS = 4  # of training
MODES = {'attribute': 0.5, 'noun': 0.16, 'negation': 0.14, 'relation': 0.2}
MARGIN = 0.25  # of both boxes' sides, that centres are apart for a relation to be clear


class Asked(NamedTuple):
    """A prompt of a picture.

    Attributes:
        prompt: the words.
        things: indices of the objects that it is true of.
        split: of testing; '' in training.
        rival: the prompt it is to be told from, or ''.
    """

    prompt: str
    things: tuple[int, ...]
    split: str = ''
    rival: str = ''


def training_prompts(rng: np.random.Generator, scene: Scene, nouns: Sequence[str]) -> list[Asked]:
    """A list of prompts that are true of different objects, and negatives (no things).

    Args:
        rng: of this list.
        scene: a picture of training.
        nouns: all that may be asked for, held-out ones aside.
    """
    asked: dict[str, tuple[int, ...]] = {}
    groups = _by_noun(scene.things)
    for noun, members in groups.items():
        painted = scene.things[members[0]].attribute is not None
        mode = rng.choice(list(MODES), p=list(MODES.values())) if painted else 'noun'
        for prompt, things in MAKERS[mode](rng, scene.things, noun, members, groups):
            asked.setdefault(prompt, things)
    absent = [noun for noun in nouns if noun not in scene.present]
    for i in rng.permutation(len(absent))[:ABSENT_NOUNS]:
        values = trained_attributes(absent[i])
        value = values[rng.integers(len(values))]
        asked.setdefault(f'{value} {absent[i]}' if rng.integers(2) else absent[i], ())
    return [Asked(prompt, things) for prompt, things in asked.items()]


def test_prompts(rng: np.random.Generator, scene: Scene, nouns: Sequence[str]) -> list[Asked]:
    """The prompts of a test picture, each once; see the module's text."""
    asked: dict[str, Asked] = {}
    groups = _by_noun(scene.things)
    for noun, members in groups.items():
        if noun not in HELD_NOUNS:
            _ask(asked, Asked(noun, tuple(members), 'nouns'))
        if scene.things[members[0]].attribute is None:
            continue
        _ask_attributes(rng, asked, scene.things, noun, members)
        if noun not in HELD_NOUNS:
            _ask_negation(rng, asked, scene.things, noun, members)
            _ask_relation(rng, asked, scene.things, noun, members, groups)
    absent = [noun for noun in nouns if noun not in scene.present and noun not in HELD_NOUNS]
    for i in rng.permutation(len(absent))[:2]:
        _ask(asked, Asked(absent[i], (), 'nouns'))
    return list(asked.values())


def _by_noun(things: Sequence[Thing]) -> dict[str, list[int]]:
    groups = defaultdict(list)
    for index, thing in enumerate(things):
        groups[thing.noun].append(index)
    return dict(groups)


def _by_value(things: Sequence[Thing], members: Sequence[int]) -> dict[str, tuple[int, ...]]:
    groups = defaultdict(tuple)
    for index in members:
        groups[things[index].attribute] += (index,)
    return dict(groups)


def _wrong(things: Sequence[Thing], members: Sequence[int], kind: Sequence[str]) -> list[str]:
    """Attributes of a kind that none of the objects has, nor seems to have."""
    own = {things[index].attribute for index in members}
    patterned = bool(own & set(TEXTURES))
    return [value for value in kind
            if value not in own and not (patterned and value in COLOURLESS)]


def _some(rng: np.random.Generator, values: Sequence[str], count: int) -> list[str]:
    return [values[i] for i in rng.permutation(len(values))[:count]]


def _nouns(rng, things, noun, members, groups):
    yield noun, tuple(members)


def _attributes(rng, things, noun, members, groups):
    """Every value with its objects, and values that none has; in a third with the size too."""
    wrong = _wrong(things, members, trained_attributes(noun))
    wrong = _some(rng, wrong, NEGATIVES)
    sized = things[members[0]].size is not None and rng.integers(3) == 0
    for value, owners in _by_value(things, members).items():
        for size in ('small', 'large') if sized else (None,):
            owned = tuple(i for i in owners if size in (None, things[i].size))
            yield _joined(size, value, noun), owned
    for value in wrong:
        yield _joined(('small', 'large')[rng.integers(2)] if sized else None, value, noun), ()


def _negation(rng, things, noun, members, groups):
    """"X that is not V" and "X that is V", which part the objects."""
    values = _by_value(things, members)
    kind = kind_of(next(iter(values)))
    allowed = trained_attributes(noun, kind)
    present = [value for value in values if value in allowed]
    value = present[rng.integers(len(present))]
    rest = tuple(i for i in members if i not in values[value])
    yield f'{noun} that is {value}', values[value]
    yield f'{noun} that is not {value}', rest
    for wrong in _some(rng, _wrong(things, members, allowed), 1):
        yield f'{noun} that is {wrong}', ()


def _relation(rng, things, noun, members, groups):
    """The objects by one relation to a single other one; by attribute where there is none."""
    found = _related(rng, things, noun, members, groups)
    if found is None:
        yield from _attributes(rng, things, noun, members, groups)
        return
    relation, anchor, true, false = found
    for value, owners in _by_value(things, members).items():
        for size in (None, 'small', 'large'):
            owned = tuple(i for i in owners if things[i].size == size)
            if not owned:
                continue
            for words, side in ((relation, true), (OPPOSITE[relation], false)):
                yield (f'{_joined(size, value, noun)} {words} {_a(anchor)}',
                       tuple(i for i in owned if i in side))


MAKERS = {'noun': _nouns, 'attribute': _attributes, 'negation': _negation, 'relation': _relation}


def _related(rng, things, noun, members, groups
             ) -> tuple[str, str, tuple[int, ...], tuple[int, ...]] | None:
    """A relation, the noun of the one anchor, and the objects on its side and on the other one.

    Every object must clearly be on either side; None where there is no such relation.
    """
    anchors = [other for other, rows in groups.items()
               if other != noun and len(rows) == 1 and other not in HELD_NOUNS]
    for anchor in _some(rng, anchors, len(anchors)):
        for relation in _some(rng, RELATIONS, len(RELATIONS)):
            place = things[groups[anchor][0]].box
            true = tuple(i for i in members if holds(relation, things[i].box, place))
            false = tuple(i for i in members if holds(OPPOSITE[relation], things[i].box, place))
            if true and len(true) + len(false) == len(members):
                return relation, anchor, true, false
    return None


def holds(relation: str, box: np.ndarray, anchor: np.ndarray) -> bool:
    """Whether a box (xyxy) is clearly on that side of another: centres apart by a quarter of the
    sides of both."""
    axis = 0 if relation in ('left of', 'right of') else 1
    centre, other = ((x[axis] + x[axis + 2]) / 2 for x in (box, anchor))
    apart = MARGIN * (box[axis + 2] - box[axis] + anchor[axis + 2] - anchor[axis])
    return bool(other - centre > apart if relation in ('left of', 'above')
                else centre - other > apart)


def _joined(*words: str | None) -> str:
    return ' '.join(word for word in words if word)


def _ask(asked: dict[str, Asked], question: Asked) -> None:
    asked.setdefault(question.prompt, question)


def _ask_pair(asked: dict[str, Asked], split: str, prompt: str, things: tuple[int, ...],
              rival: str) -> None:
    """A true prompt and the rival, which is true of nothing."""
    _ask(asked, Asked(prompt, things, split, rival))
    _ask(asked, Asked(rival, (), split))


def _ask_attributes(rng, asked, things, noun, members) -> None:
    """Attribute and noun in the plain form, and in one other wording each."""
    for value, owners in _by_value(things, members).items():
        new = noun in HELD_NOUNS or held_out(value, noun)
        split = 'held-out nouns' if noun in HELD_NOUNS else 'combinations' if new else 'seen'
        wrong = _wrong(things, members, kind_of(value))
        alike = [other for other in wrong if held_out(other, noun) == held_out(value, noun)]
        if not wrong:
            continue
        other = _some(rng, wrong if noun in HELD_NOUNS else alike or wrong, 1)[0]
        _ask_pair(asked, split, f'{value} {noun}', owners, f'{other} {noun}')
        if new or held_out(other, noun):
            continue
        form = int(rng.integers(len(FUNCTION_FORMS)))
        right, rival = (with_function_words(form, f'{word} {noun}') for word in (value, other))
        _ask_pair(asked, 'function words', right, owners, rival)
        number = rng.integers(2)
        right, rival = (paraphrases(word, noun)[number] for word in (value, other))
        _ask_pair(asked, 'paraphrases', right, owners, rival)


def _ask_negation(rng, asked, things, noun, members) -> None:
    values = _by_value(things, members)
    if len(values) != 2:
        return
    first, second = values
    if held_out(first, noun) or held_out(second, noun):
        return
    # Of two values the one is what the other is not; what is neither does not exist here.
    _ask(asked, Asked(f'{noun} that is not {first}', values[second], 'negation',
                      f'{noun} that is not {second}'))
    _ask(asked, Asked(f'{noun} that is not {second}', values[first], 'negation',
                      f'{noun} that is not {first}'))


def _ask_relation(rng, asked, things, noun, members, groups) -> None:
    found = _related(rng, things, noun, members, groups)
    if found is None:
        return
    relation, anchor, true, false = found
    values = _by_value(things, true)
    for value, owners in values.items():
        if held_out(value, noun):
            continue
        size = things[owners[0]].size
        owned = tuple(i for i in owners if things[i].size == size)
        words = _joined(size, value, noun)
        right, rival = (f'{words} {side} {_a(anchor)}' for side in (relation, OPPOSITE[relation]))
        alike = [i for i in false if (things[i].attribute, things[i].size) == (value, size)]
        if alike:  # the opposite is true of something
            _ask(asked, Asked(right, owned, 'relations', rival))
        else:
            _ask_pair(asked, 'relations', right, owned, rival)


def _a(noun: str) -> str:
    return f'{article(noun)} {noun}'
