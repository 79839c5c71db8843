"""Which names count as a held-out class, so that none of its spellings is trained on.

The rule: a name is held out with a class where any of its *forms* is a form of the class or of
one of the class's listed aliases. The forms of a name are made by

1. lower case, ``_`` and ``-`` read as a space;
2. leaving out qualifiers in parentheses: ``bus (vehicle)`` is ``bus``;
3. splitting at ``/`` and ``,``: ``monitor/tv`` has the forms ``monitor`` and ``tv``;
4. leaving out spaces: ``wine glass`` is ``wineglass``;
5. reducing the last word to the singular: ``skis`` is ``ski``.

Narrower and wider terms (``man`` and ``animal`` beside ``person``, ``puppy`` beside ``dog``) are
names of their own and stay: what is measured is generalisation to a name that was never seen.
"""

import re
from collections.abc import Iterable

# Other names of the same class of COCO; spellings and plurals are covered by the forms.
COCO_ALIASES: dict[str, tuple[str, ...]] = {
    'person': ('people', 'human', 'human being'),
    'bicycle': ('bike',),
    'car': ('automobile',),
    'motorcycle': ('motorbike',),
    'airplane': ('aeroplane', 'plane'),
    'traffic light': ('traffic signal', 'stoplight'),
    'fire hydrant': ('fireplug', 'hydrant'),
    'cow': ('cattle',),
    'backpack': ('rucksack', 'knapsack'),
    'handbag': ('purse',),
    'tie': ('necktie',),
    'frisbee': ('flying disc',),
    'sports ball': ('ball',),
    'tennis racket': ('racket', 'tennis racquet'),
    'hot dog': ('hotdog',),
    'donut': ('doughnut',),
    'couch': ('sofa',),
    'potted plant': ('houseplant',),
    'dining table': ('kitchen & dining room table',),
    'tv': ('television', 'television set'),
    'laptop': ('laptop computer',),
    'mouse': ('computer mouse',),
    'remote': ('remote control',),
    'keyboard': ('computer keyboard',),
    'cell phone': ('mobile phone', 'cellular telephone', 'mobile telephone'),
    'microwave': ('microwave oven',),
    'refrigerator': ('fridge',),
    'hair drier': ('hair dryer', 'blow dryer'),
}
SINGULAR = ('people', 'person'), ('knives', 'knife'), ('mice', 'mouse'), ('skis', 'ski')


def name_forms(name: str) -> frozenset[str]:
    """The forms of a name under which two names count as one; see the module's docstring."""
    plain = re.sub(r'\([^)]*\)', ' ', name.lower())
    plain = re.sub(r'[_\-]', ' ', plain)
    parts = (' '.join(part.split()) for part in re.split(r'[/,]', plain))
    return frozenset(_singular(part).replace(' ', '') for part in parts if part)


def held_out_names(
    names: Iterable[str], classes: Iterable[str],
    aliases: dict[str, tuple[str, ...]] = COCO_ALIASES,
) -> list[str]:
    """The names that are one of the classes by the rule of this module, in their order."""
    forms = set()
    for name in classes:
        for other in (name, *aliases.get(name, ())):
            forms |= name_forms(other)
    return [name for name in names if name_forms(name) & forms]


def _singular(text: str) -> str:
    *start, last = text.split(' ')
    for plural, singular in SINGULAR:
        if last == plural:
            return ' '.join((*start, singular))
    if last.endswith(('ches', 'shes', 'sses', 'xes')):
        last = last[:-2]
    elif last.endswith('ies') and len(last) > 4:
        last = last[:-3] + 'y'
    elif last.endswith('s') and not last.endswith(('ss', 'us', 'is')) and len(last) > 3:
        last = last[:-1]
    return ' '.join((*start, last))
