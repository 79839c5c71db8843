"""Links, also where symbolic ones are not allowed, as for most users of Windows."""

import os
import sys
from types import SimpleNamespace

import pytest

from expalign.utils.links import is_link, link


@pytest.fixture
def forbidden(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(22, 'A required privilege is not held by the client')
    monkeypatch.setattr(os, 'symlink', refuse)


@pytest.fixture
def things(tmp_path):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder' / 'a.txt').write_text('a')
    return tmp_path


def test_symbolic_links(things, monkeypatch):
    monkeypatch.chdir(things)
    link('folder', things / 'b')
    link('folder/a.txt', things / 'c.txt')
    assert (things / 'b' / 'a.txt').read_text() == (things / 'c.txt').read_text() == 'a'
    assert is_link(things / 'b') and is_link(things / 'c.txt')
    assert not is_link(things / 'folder') and not is_link(things / 'absent')
    with pytest.raises(FileExistsError):
        link('folder', things / 'b')


def test_files_where_they_are_forbidden(things, forbidden, monkeypatch):
    link(things / 'folder' / 'a.txt', things / 'b.txt')
    assert os.path.samefile(things / 'folder' / 'a.txt', things / 'b.txt')
    monkeypatch.setattr(os, 'link', os.symlink)  # another disk
    link(things / 'folder' / 'a.txt', things / 'c.txt')
    assert (things / 'c.txt').read_text() == 'a' and not is_link(things / 'c.txt')


def test_folders_where_they_are_forbidden(things, forbidden, monkeypatch):
    made = []
    monkeypatch.setitem(sys.modules, '_winapi', SimpleNamespace(
        CreateJunction=lambda *paths: made.append(paths)))
    link(things / 'folder', things / 'b')
    assert made == [(str(things / 'folder'), str(things / 'b'))]
    monkeypatch.setitem(sys.modules, '_winapi', None)
    with pytest.raises(OSError, match='cannot be made a link to .*privilege.*copy the folder'):
        link(things / 'folder', things / 'b')
