"""Files that appear complete or not at all, whatever ends the process."""

import os
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from expalign.utils import finished_file, scratch_folder, termination
from expalign.utils.finished_file import remove_leftovers
from tests.helpers.processes import fork


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal(monkeypatch):
    """Tests that are started by nohup begin with SIGHUP ignored; other tests may hold a block."""
    monkeypatch.setattr(termination, '_nesting', termination._Nesting())
    before = {number: signal.signal(number, signal.SIG_DFL)
              for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_file_appears_with_the_end_of_the_block(tmp_path):
    path = tmp_path / 'new' / 'photo.of.a cat.jpg'
    with finished_file(path) as temporary:
        temporary.write_text('whole')
        assert (temporary.suffix, temporary.parent) == ('.jpg', path.parent)
        assert temporary.name[0] == '.'
        assert not path.exists()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.read_text() == 'whole'
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()  # not 0600, as mkstemp's


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_error_leaves_the_older_file(tmp_path):
    path = tmp_path / 'out.json'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), finished_file(path) as temporary:
        temporary.write_text('half')
        raise KeyboardInterrupt
    with pytest.raises(FileNotFoundError), finished_file(path):
        pass  # nothing was written
    assert [p.name for p in tmp_path.iterdir()] == ['out.json']
    assert path.read_text() == 'old'


@pytest.mark.parametrize('name', ['x' * 250 + '.json', 'x.' + 'y' * 250, '猫' * 80])
def test_a_long_name_fits(tmp_path, name):
    with finished_file(tmp_path / name) as temporary:
        temporary.touch()
    assert os.listdir(tmp_path) == [name]


def test_folders_devices_and_pipes_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    for path in (tmp_path, tmp_path / 'pipe', '/dev/null'):
        with pytest.raises(FileExistsError, match='is a folder, a device or a pipe'), \
                finished_file(path):
            pass
    assert not Path('/dev/null').is_file()


def write_until_stopped(folder, number):
    """Have a file and a folder open when the signal comes."""
    with scratch_folder(folder) as scratch, finished_file(folder / 'out.json') as temporary:
        (scratch / 'part').touch()
        temporary.write_text('half')
        os.kill(os.getpid(), number)
        time.sleep(30)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_process_leaves_nothing(tmp_path, number):
    assert fork(write_until_stopped, tmp_path, number) == 128 + number
    assert os.listdir(tmp_path) == []


def test_what_a_kill_leaves_is_removed_by_the_next_run(tmp_path):
    assert fork(write_until_stopped, tmp_path, signal.SIGKILL) == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2
    with finished_file(tmp_path / 'another.json') as temporary:
        temporary.touch()
    assert os.listdir(tmp_path) == ['another.json']


def test_what_somebody_writes_is_not_removed(tmp_path):
    with finished_file(tmp_path / 'a.json') as mine, scratch_folder(tmp_path) as scratch:
        mine.touch()
        machine, process, start, _ = mine.name.split('.')[3].split('-')
        foreign = [  # of another machine, of a process that is not this one, of nobody
            f'.a.{int(machine, 16) ^ 1:08x}-999999999-1-00000000.partial',
            f'.a.{machine}-1-0-00000000.partial'.replace('-0-', f'-{start_of(1)}-'),
            '.a.partial', 'a.partial']
        dead = [f'.a.{machine}-999999999-1-00000000.partial.json.annotations',
                f'.a.{machine}-{process}-{int(start) - 1}-00000000.partial']
        for name in (*foreign, *dead):
            (tmp_path / name).touch()
        remove_leftovers(tmp_path)
        assert set(os.listdir(tmp_path)) == {mine.name, scratch.name, *foreign}


def start_of(process):
    return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[19]


def test_signals_are_as_before_and_threads_may_write(tmp_path):
    before = signal.getsignal(signal.SIGTERM)

    def write(number):
        with finished_file(tmp_path / f'{number}.txt') as temporary:
            temporary.write_text(str(number))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    with finished_file(tmp_path / 'main.txt') as temporary:
        temporary.touch()
        assert signal.getsignal(signal.SIGTERM) is not before
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert sorted(os.listdir(tmp_path)) == [*(f'{i}.txt' for i in range(8)), 'main.txt']


def test_a_handler_of_somebody_else_stays(tmp_path):
    calls = []
    before = signal.signal(signal.SIGTERM, lambda *_: calls.append(1))
    try:
        with scratch_folder(tmp_path):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert calls == [1]


@pytest.mark.parametrize(('mask', 'mode'), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_are_as_open_as_the_user_wants(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with finished_file(tmp_path / 'a') as temporary:
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
        with finished_file(tmp_path / 'b') as temporary:
            temporary.touch()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {mode}
