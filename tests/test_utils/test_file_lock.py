"""Locks of files: those of this system, and those of Windows with a module that stands in."""

import errno
import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from expalign.utils import file_lock

HOLD = """
import sys
from expalign.utils.file_lock import lock_file
with open(sys.argv[1], 'a+b') as file:
    lock_file(file, wait=False)
    print('held', flush=True)
    sys.stdin.read()
"""


def test_another_process_is_kept_out(tmp_path):
    path = tmp_path / 'a'
    holder = subprocess.Popen([sys.executable, '-c', HOLD, path], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b'held\n'
    with open(path, 'a+b') as file:
        with pytest.raises(BlockingIOError):
            file_lock.lock_file(file, wait=False)
        holder.communicate()
        file_lock.lock_file(file, wait=True)


@pytest.fixture
def windows(monkeypatch):
    """The module as Windows imports it; ``held`` are the bytes that are locked."""
    held = {}

    def locking(descriptor, mode, count):
        start, file = os.lseek(descriptor, 0, os.SEEK_CUR), os.fstat(descriptor).st_ino
        places = [(file, start + number) for number in range(count)]
        if any(held.get(place, descriptor) != descriptor for place in places):
            raise PermissionError(errno.EACCES, 'Permission denied')
        held.update(dict.fromkeys(places, descriptor))

    monkeypatch.setitem(sys.modules, 'fcntl', None)
    monkeypatch.setitem(sys.modules, 'msvcrt', SimpleNamespace(locking=locking, LK_NBLCK=2))
    spec = importlib.util.spec_from_file_location('windows_lock', file_lock.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.held = held
    return module


def test_windows(windows, tmp_path, monkeypatch):
    path = tmp_path / 'a'
    path.write_bytes(b'12345')
    with open(path, 'a+b') as first, open(path, 'a+b') as second:
        first.seek(2)
        windows.lock_file(first, wait=False)
        assert first.tell() == 2 and first.read() == b'345'
        with pytest.raises(BlockingIOError):
            windows.lock_file(second, wait=False)
        monkeypatch.setattr(windows.time, 'sleep', lambda _: windows.held.clear())
        windows.lock_file(second, wait=True)
        assert {*windows.held.values()} == {second.fileno()}


def test_shares_on_windows(windows, tmp_path):
    path = tmp_path / 'a'
    with open(path, 'ab') as first, open(path, 'ab') as second, open(path, 'ab') as alone:
        windows.lock_file(first, wait=False, shared=True)
        windows.lock_file(second, wait=False, shared=True)
        with pytest.raises(BlockingIOError):
            windows.lock_file(alone, wait=False)
        windows.held.clear()
        windows.lock_file(alone, wait=False)
        with pytest.raises(BlockingIOError):
            windows.lock_file(first, wait=False, shared=True)


def test_shares_here(tmp_path):
    path = tmp_path / 'a'
    with open(path, 'ab') as first, open(path, 'ab') as second, open(path, 'ab') as alone:
        file_lock.lock_file(first, wait=False, shared=True)
        file_lock.lock_file(second, wait=False, shared=True)
        with pytest.raises(BlockingIOError):
            file_lock.lock_file(alone, wait=False)


def test_a_folder_on_windows(windows, tmp_path):
    with windows.one_at_a_time(tmp_path):
        assert len(windows.held) == windows.SHARES
    assert [path.name for path in tmp_path.iterdir()] == [windows.TURN]


def test_a_folder_here(tmp_path):
    with file_lock.one_at_a_time(tmp_path), file_lock.one_at_a_time(tmp_path / '..'):
        assert list(tmp_path.iterdir()) == []
