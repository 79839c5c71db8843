"""The words of the attribute set, and which of them training never sees.

An attribute is a colour or a texture. What is held out depends on the words alone, not on a seed:
two sets of different seeds agree on it.
"""

import zlib

COLOURS = {
    'red': (205, 25, 30), 'orange': (245, 130, 15), 'yellow': (240, 215, 20),
    'green': (35, 150, 50), 'blue': (25, 70, 205), 'purple': (120, 35, 165),
    'pink': (250, 130, 180), 'brown': (110, 62, 25), 'white': (240, 240, 240),
    'black': (22, 22, 24), 'grey': (128, 128, 128)}  # RGB
TEXTURES = ('striped', 'spotted', 'checkered')
ATTRIBUTES = (*COLOURS, *TEXTURES)
# A black and white pattern says nothing about these.
COLOURLESS = ('white', 'black', 'grey')
SIZES = ('small', 'large')
SHAPES = ('circle', 'box', 'triangle', 'ring', 'cross', 'star', 'heart', 'diamond')
HELD_NOUNS = frozenset((
    'heart', 'diamond', 'cat', 'bus', 'elephant', 'couch', 'fire hydrant', 'kite', 'wine glass',
    'book'))
# Their own patterns stay when they are painted.
UNPAINTED = frozenset(('zebra', 'giraffe', 'orange', 'stop sign', 'clock', 'keyboard'))
# Words that would mean two things.
UNASKED = frozenset(('orange',))
RELATIONS = ('left of', 'right of', 'above', 'below')
OPPOSITE = {'left of': 'right of', 'right of': 'left of', 'above': 'below', 'below': 'above'}
HELD_SHARE = 5  # one combination in this many

# {a} is a or an.
FUNCTION_FORMS = ('{a} {words}', 'the {words}', 'a photo of {a} {words}')
COLOUR_PARAPHRASES = ('{noun} in {value}', '{value} coloured {noun}', '{noun} painted {value}')
TEXTURE_PARAPHRASES = {
    'striped': ('{noun} with stripes', '{noun} covered in stripes'),
    'spotted': ('{noun} with spots', '{noun} covered in spots'),
    'checkered': ('{noun} with checks', '{noun} covered in checks')}


def held_out(attribute: str, noun: str) -> bool:
    """Whether training never sees this combination of two words that it sees apart."""
    return zlib.crc32(f'{attribute} {noun}'.encode()) % HELD_SHARE == 0


def trained_attributes(noun: str, kind: tuple[str, ...] = ATTRIBUTES) -> list[str]:
    """The attributes of ``kind`` that training may give to a noun."""
    return [value for value in kind if not held_out(value, noun)]


def held_attributes(noun: str, kind: tuple[str, ...] = ATTRIBUTES) -> list[str]:
    """The others."""
    return [value for value in kind if held_out(value, noun)]


def kind_of(attribute: str) -> tuple[str, ...]:
    """The colours or the textures, whichever it is one of."""
    return TEXTURES if attribute in TEXTURES else tuple(COLOURS)


def with_function_words(form: int, words: str) -> str:
    """One of the wordings with an article."""
    return FUNCTION_FORMS[form].format(a=article(words), words=words)


def article(words: str) -> str:
    """a or an."""
    return 'an' if words[0] in 'aeiou' else 'a'


def paraphrases(attribute: str, noun: str) -> list[str]:
    """Wordings of an attribute and a noun that training never sees."""
    forms = TEXTURE_PARAPHRASES.get(attribute, COLOUR_PARAPHRASES)
    return [form.format(value=attribute, noun=noun) for form in forms]
