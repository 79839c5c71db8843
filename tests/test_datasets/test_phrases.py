"""Which two phrases say the same."""

import pytest

from expalign.datasets.phrases import forms, forms_of, plain


@pytest.mark.parametrize(('one', 'other'), [
    ('dog', 'Dogs'), ('dog ', ' DOG'), ('hot  dog', 'Hot dogs'), ('box', 'boxes'),
    ('shoe', 'shoes'), ('bus', 'buses'), ('horse', 'horses'), ('city', 'cities'),
    ('glass', 'glasses'), ('wine glass', 'wine glasses'), ('watch', 'watches'), ('tie', 'ties'),
    ('tomato', 'tomatoes'), ('Straße', 'STRASSE')])
def test_the_same(one, other):
    assert not forms(one).isdisjoint(forms(other))
    assert not forms(other).isdisjoint(forms(one))


@pytest.mark.parametrize(('one', 'other'), [
    ('can', 'cane'), ('cap', 'cape'), ('car', 'cat'), ('glass', 'glas'), ('dog', 'hot dog'),
    ('bus', 'buss'), ('as', 'a'), ('is', 'i'), ('hotdog', 'hot dog')])
def test_different(one, other):
    assert forms(one).isdisjoint(forms(other))


def test_plain_and_synonyms():
    assert plain('  A  Red\tCar ') == 'a red car'
    assert forms_of(['Cats', ['dog', 'puppies']]) == {
        'cats', 'cat', 'dog', 'puppies', 'puppi', 'puppie', 'puppy'}
