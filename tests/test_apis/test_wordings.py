"""Other wordings of a class."""

import numpy as np
import pytest

from expalign.apis.word_table import other_words
from expalign.apis.wordings import (
    candidates,
    colour_of,
    coloured,
    near_names,
    plural,
    readable,
    rounds_of,
    with_article,
    wordings,
)


@pytest.mark.parametrize(('name', 'expected'), [
    ('WhiteKing', 'white king'), ('white-king', 'white king'), ('red_cup', 'red cup'),
    ('RBC', 'RBC'), ('date (fruit)', 'date'), ('Cup', 'cup'), ('\u732b', '\u732b'), ('_', '_')])
def test_names_as_people_say_them(name, expected):
    assert readable(name) == expected


@pytest.mark.parametrize(('name', 'expected'), [
    ('cup', 'cups'), ('box', 'boxes'), ('berry', 'berries'), ('toy', 'toys'), ('mouse', 'mice'),
    ('people', 'person'), ('glass', 'glasses'), ('cups', 'cup'), ('wine glass', 'wine glasses'),
    ('bus', 'buses')])
def test_plurals(name, expected):
    assert plural(name) == expected


def test_articles():
    assert [with_article(name) for name in ('apple', 'cup', 'the cup')] == [
        'an apple', 'a cup', 'the cup']


def test_words_of_the_table():
    assert wordings('hazelnut') == ['hazelnut', 'a hazelnut', 'hazelnuts', 'nut', 'chestnut',
                                    'almond']
    assert 'fruit' in other_words('dates') and 'red blood cell' in other_words('RBC')
    assert list(other_words('big wine glass'))[:2] == ['wine glass', 'glass']
    assert list(other_words('zyzzyva')) == []


def test_what_is_tried_for_a_class():
    found = candidates('hazelnut', ['brown ball'], lambda text: [f'near {text}'],
                       ['date', 'Nut'], 5)
    # The user's wording counts besides the limit; another class's name is not tried.
    assert found == ['hazelnut', 'brown ball', 'a hazelnut', 'hazelnuts', 'chestnut', 'almond']
    assert candidates('zyzzyva', [], lambda text: [f'near {text}'], [], 9)[-1] == 'near zyzzyva'


def test_colours():
    brown, black = ((np.ones((9, 9, 3)) * bgr).astype(np.uint8) for bgr in ((30, 60, 110), 20))
    green = np.zeros((20, 20, 3), np.uint8)
    green[5:15, 5:15] = 40, 160, 40
    assert [colour_of([crop]) for crop in (brown, black, green)] == ['brown', 'black', 'green']
    assert colour_of([brown, brown, black, np.zeros((0, 3, 3), np.uint8)]) == 'brown'
    assert colour_of([]) is None
    assert coloured('brown', ['nut', 'red nut']) == ['brown nut']


def test_names_that_are_near():
    table = np.eye(3)
    assert near_names(np.array([0.2, 0.9, 0.5]), ['a', 'b (fruit)', 'c'], table, 2) == ['b', 'c']


def test_each_list_has_wordings_of_different_classes():
    lists = list(rounds_of([['a', 'b', 'c'], ['d', 'B']], 2))
    assert lists == [['a', 'd'], ['b', 'c']]  # 'B' is 'b'
    assert list(rounds_of([[], []], 2)) == []
