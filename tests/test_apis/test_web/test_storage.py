"""Whose files are whose, and how many are kept."""

import os
import time

import pytest

from expalign.apis.web.storage import MAX_SESSIONS, Storage


@pytest.fixture
def storage(tmp_path):
    (tmp_path / 'kept').mkdir()
    return Storage(tmp_path / 'kept')


def put(storage, name, size=10, age=0.0, visitor=None, holder=None):
    """A file of the age in seconds; uploaded, where it has a visitor."""
    path = storage.folder / name / 'photo.png'
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age,) * 2)
    if visitor is not None:
        storage.add([str(path)], visitor, holder or visitor)
    return path


def test_visitors(storage):
    cookie = storage.new_cookie()
    assert storage.visitor_of(cookie) == cookie.split('.')[0]
    assert cookie != storage.new_cookie()
    for wrong in (None, '', '.', 'a.b', cookie[:-1], cookie + '0', cookie.upper(), 'é.é',
                  Storage(storage.folder).new_cookie()):
        assert storage.visitor_of(wrong) == ''


def test_files(storage, tmp_path):
    mine = put(storage, 'a', visitor='me')
    result = put(storage, 'b')
    (tmp_path / 'private.png').write_text('')
    (storage.folder / 'a' / 'link.png').symlink_to(tmp_path / 'private.png')
    (storage.folder / 'a' / 'own.png').symlink_to(mine)
    (storage.folder / 'coming').write_text('')
    assert storage.find(str(mine), 'me') == storage.find_shown(str(mine), 'me') == mine
    assert storage.find(str(mine), 'you') is storage.find_shown(str(mine), 'you') is None
    assert storage.find(str(storage.folder / 'a' / 'own.png'), 'me') == mine
    assert storage.find(str(result), 'me') is None
    assert storage.find_shown(str(result), 'me') == result
    for path in (tmp_path / 'private.png', storage.folder / 'a' / 'link.png', storage.folder,
                 storage.folder / 'a', storage.folder / 'coming', '/dev/zero', '', '\0',
                 'a' * 9999):
        assert storage.find(str(path), 'me') is storage.find_shown(str(path), 'me') is None
    storage.add([str(mine)], 'you', 'you')  # the same photograph
    assert storage.find(str(mine), 'you') == storage.find(str(mine), 'me') == mine


def test_samples_are_everybodys_and_stay(tmp_path):
    sample = tmp_path / 'kept' / 'x' / 'sample.jpg'
    sample.parent.mkdir(parents=True)
    sample.write_text('')
    os.utime(sample, (0, 0))
    storage = Storage(tmp_path / 'kept', [sample])
    storage.sweep()
    assert storage.find(str(sample), 'anybody') == sample


def test_sessions(storage):
    assert storage.owns_session('one', 'me') and storage.owns_session('one', 'me')
    assert not storage.owns_session('one', 'you') and not storage.owns_session('one', '')
    for k in range(MAX_SESSIONS + 5):
        storage.owns_session(f's{k}', 'you')
    assert len(storage._sessions) == MAX_SESSIONS


def test_old_files_go(storage):
    old, new = put(storage, 'old', age=3601), put(storage, 'new', age=3500)
    mine = put(storage, 'mine', age=4000, visitor='me')
    storage.sweep()
    assert (old.exists(), new.exists(), mine.exists()) == (False, True, False)
    assert not old.parent.exists()
    assert storage.find(str(mine), 'me') is None


def test_a_visitor_keeps_the_newest(storage, monkeypatch):
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_BYTES', '100')
    others = put(storage, 'other', 90, 500, 'you')
    files = [put(storage, str(k), 40, 100 - k, 'me') for k in range(4)]
    assert [path.exists() for path in files] == [False, False, True, True]
    assert others.exists()
    monkeypatch.setenv('EXPALIGN_WEB_VISITOR_FILES', '1')
    storage.sweep()
    assert [path.exists() for path in files] == [False, False, False, True]


def test_who_holds_most_gives_first(storage, monkeypatch):
    """A flood of uploads removes its own files, not those of a visitor with one photograph."""
    monkeypatch.setenv('EXPALIGN_WEB_TOTAL_BYTES', '400')
    mine = put(storage, 'mine', 90, 600, 'me')
    result = put(storage, 'result', 90, 700)
    flood = [put(storage, f'f{k}', 50, 500 - k, '', '10.0.0.1') for k in range(20)]
    assert mine.exists() and result.exists()
    assert [path.exists() for path in flood] == [False] * 16 + [True] * 4
    monkeypatch.setenv('EXPALIGN_WEB_TOTAL_FILES', '3')
    storage.sweep()
    assert sum(path.exists() for path in (mine, result, *flood)) == 3
