"""What is left of a prompt without the words around its name."""

import pytest

from expalign.structures.bare_prompt import bare_prompt
from expalign.structures.prompt_frame import without_frame

WORDS = {'cat', 'cats', 'box', 'person', 'mouse', 'horse', 'bus', 'glass', 'len', 'ski', 'knife',
         'a', 'berry', 'chip', 'jean'}


@pytest.mark.parametrize(('prompt', 'bare'), [
    ('cat', 'cat'), ('a cat', 'cat'), ('The  Cat', 'Cat'), ('some cats', 'cats'), ('a', 'a'),
    ('a photo of a cat', 'cat'), ('A picture of the cat', 'cat'), ('photo of cats', 'cats'),
    ('there is a cat in the picture', 'cat'), ('there are cats', 'cats'),
    ('a cat in this image', 'cat'), ('a photo of a cat in the scene', 'cat'),
    # Words within a phrase stay, and so do words that are the thing.
    ('a cat on a mat', 'cat on a mat'), ('picture frame', 'picture frame'), ('photo', 'photo'),
    ('a painting of a cat', 'painting of a cat'), ('the a', 'a'), ('there is', 'there is'),
    ('a photo of', 'photo of'), ('another cat', 'another cat'), ('theatre', 'theatre'),
    ('a a cat', 'a cat')])
def test_frames(prompt, bare):
    assert without_frame(prompt) == bare


@pytest.mark.parametrize(('prompt', 'bare'), [
    ('cats', 'cat'), ('A photo of the red Cats', 'red cat'), ('boxes', 'box'), ('people', 'person'),
    ('mice', 'mouse'), ('knives', 'knife'), ('berries', 'berry'), ('Cat', 'Cat'),
    # Of words that are not known the ending tells.
    ('vultures', 'vulture'), ('toothbrushes', 'toothbrush'), ('suitcases', 'suitcase'),
    ('octopus', 'octopus'), ('walrus', 'walrus'), ('wombats', 'wombat'), ('canvas', 'canvas'),
    # No plural, or one of its own.
    ('bus', 'bus'), ('glass', 'glass'), ('lens', 'lens'), ('cactus', 'cactus'), ('yaks', 'yaks'),
    ('skis', 'skis'), ('a jeans', 'jeans'), ('chips', 'chips'), ('a', 'a'),
    # Phrases, which stay as they are.
    ('a cat on boxes', 'a cat on boxes'), ('a pair of cats', 'a pair of cats'),
    ('the very small red cats', 'the very small red cats'),
    ('a photo of a cat on a mat', 'a photo of a cat on a mat'),
    ("cat's", "cat's"), ('123s', '123s'), ('\u732b', '\u732b')])
def test_singular(prompt, bare):
    assert bare_prompt(prompt, WORDS.__contains__) == bare
