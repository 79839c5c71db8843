"""A prompt finds its name in a table whatever it is written like, and no other name."""

import pytest

from expalign.structures.name_keys import NameTable, name_keys

NAMES = [
    'person', 'dog', 'bus', 'glasses', 'wine glass', 'scissors', 'hot dog', 'mouse', 'box', 'pony',
    'knife', 'fireman', 'short', 'shorts', 'boot', 'boots', 'bow-tie', 'bow (weapon)', 'ax',
    'Teddy Bear', 'sneakers', 'hair']


@pytest.fixture(scope='module')
def table():
    return NameTable(NAMES)


@pytest.mark.parametrize('prompt, name', [
    ('  Dog ', 'dog'), ('a dog', 'dog'), ('The  DOG', 'dog'), ('dogs', 'dog'), ('an ax', 'ax'),
    ('hot-dogs', 'hot dog'), ('hot_dog', 'hot dog'), ('bow_(weapon)', 'bow (weapon)'),
    ('a bow tie', 'bow-tie'), ('teddy bears', 'Teddy Bear'),
    ('people', 'person'), ('The people', 'person'), ('mice', 'mouse'), ('knives', 'knife'),
    ('ponies', 'pony'), ('boxes', 'box'), ('buses', 'bus'), ('firemen', 'fireman'), ('axes', 'ax'),
    ('scissors', 'scissors'), ('scissor', 'scissors'), ('sneaker', 'sneakers'),
    ('a photo of the dogs', 'dog'), ('There is a hot-dog in the picture', 'hot dog'),
    # Names of their own, before what they could be the plural of.
    ('glasses', 'glasses'), ('shorts', 'shorts'), ('boots', 'boots'), ('boot', 'boot'),
    ('wine glasses', 'wine glass'), ('bus', 'bus')])
def test_spellings(table, prompt, name):
    assert table.names[table.row_of(prompt)] == name


@pytest.mark.parametrize('prompt', [
    'glass', 'glas', 'bu', 'a', 'the', 'an', 's', 'red dog', 'dog house', 'dogss', 'hairless',
    'hai', 'boxing', 'two dogs', 'a a dog', '...', 'bow', 'the a', 'dog.', 'ass',
    'a person on a horse'])
def test_other_words_are_none_of_the_names(table, prompt):
    assert table.row_of(prompt) is None


def test_every_name_finds_itself():
    table = NameTable(NAMES)
    assert [table.row_of(name) for name in NAMES] == list(range(len(NAMES)))
    assert NameTable([]).row_of('dog') is None


def test_a_spelling_of_a_name_counts_before_the_singular_of_another():
    assert NameTable(['dice', 'die']).row_of('dice') == 0
    assert NameTable(['die', 'dice']).row_of('a dice') == 1
    assert NameTable(['skis', 'ski']).row_of('ski') == 1
    assert NameTable(['nut', 'nuts']).row_of('nuts') == 1


def test_keys_come_in_falling_order_of_trust():
    assert list(name_keys('A  Hot-Dogs')) == [
        'a hot-dogs', 'a hot dogs', 'hot-dogs', 'hot dogs',
        'a hot-dog', 'a hot dog', 'hot-dog', 'hot dog']
