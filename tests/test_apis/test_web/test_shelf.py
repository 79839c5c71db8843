"""Whose photographs and results are whose, and how many are kept."""

import pytest

from expalign.apis.web import limits
from expalign.apis.web.shelf import Amount, Shelf
from expalign.apis.web.visitors import Visitors


class Kept:
    """A shelf with a clock that is set, and what it forgot."""

    def __init__(self):
        self.now, self.forgotten = 0.0, []
        self.shelf = Shelf(Amount(limits.VISITOR_BYTES, limits.VISITOR_FILES),
                           Amount(limits.TOTAL_BYTES, limits.TOTAL_FILES),
                           self.forgotten.append, lambda: self.now)

    def put(self, value, size=10, age=0.0, visitor='me', holder=None):
        self.now = 10_000 - age
        name = self.shelf.add(value, size, visitor, holder or visitor)
        self.now = 10_000
        return name


@pytest.fixture
def kept():
    return Kept()


@pytest.mark.parametrize('embedded', [False, True])
def test_visitors(embedded):
    visitors = Visitors(embedded)
    cookie, header = visitors.new_cookie().partition('=')[2].partition(';')[::2]
    assert visitors.visitor_of(cookie) == cookie.split('.')[0]
    assert cookie not in visitors.new_cookie()
    other = Visitors().new_cookie().partition('=')[2].partition(';')[0]
    for wrong in (None, '', '.', 'a.b', cookie[:-1], cookie + '0', cookie.upper(), 'é.é', other):
        assert visitors.visitor_of(wrong) == ''
    assert 'HttpOnly' in header
    assert ('SameSite=None; Secure; Partitioned' if embedded else 'SameSite=Strict') in header


def test_each_has_their_own(kept):
    mine, theirs = kept.put('a'), kept.put('b', visitor='you')
    nobodys = kept.put('c', visitor='', holder='10.0.0.1')
    assert mine != theirs and len(mine) == 32
    assert kept.shelf.find(mine, 'me') == 'a' and kept.shelf.find(theirs, 'you') == 'b'
    for name, visitor in ((mine, 'you'), (mine, ''), (nobodys, 'me'), ('', 'me'), ('x' * 32, '')):
        assert kept.shelf.find(name, visitor) is None
    assert kept.shelf.find(nobodys, '') == 'c'  # who knows the name


def test_old_ones_go(kept):
    kept.put('old', age=3601)
    new = kept.put('new', age=3500)
    kept.shelf.sweep()
    assert kept.forgotten == ['old'] and kept.shelf.find(new, 'me') == 'new'


def test_a_visitor_keeps_the_newest(kept, monkeypatch):
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_BYTES', '100')
    others = kept.put('other', 90, 500, 'you')
    for number in range(4):
        kept.put(number, 40, 100 - number)
    assert kept.forgotten == [0, 1] and kept.shelf.find(others, 'you') == 'other'
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_FILES', '1')
    kept.shelf.sweep()
    assert kept.forgotten == [0, 1, 2] and len(kept.shelf) == 2


def test_who_holds_most_gives_first(kept, monkeypatch):
    """A flood of uploads removes its own files, not those of a visitor with one photograph."""
    monkeypatch.setenv('EXPALIGN_WEB_TOTAL_BYTES', '400')
    kept.put('mine', 90, 600)
    kept.put('yours', 90, 700, 'you')
    for number in range(20):
        kept.put(number, 50, 500 - number, '', '10.0.0.1')
    assert kept.forgotten == list(range(16)) and len(kept.shelf) == 6
    monkeypatch.setenv('EXPALIGN_WEB_TOTAL_FILES', '3')
    kept.shelf.sweep()
    assert len(kept.shelf) == 3
