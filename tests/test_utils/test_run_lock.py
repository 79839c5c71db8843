"""One run a work folder; the dead hold none."""

import json
import multiprocessing
import os
import signal

import pytest

from expalign.utils.run_lock import LOCK_NAME, FolderInUse, run_lock
from tests.helpers.processes import fork


def entry_of(folder):
    return json.loads((folder / LOCK_NAME).read_text())


def hold_and_die(folder):
    with run_lock(folder):
        os.kill(os.getpid(), signal.SIGKILL)


def try_it(folder):
    try:
        with run_lock(folder):
            os._exit(0)
    except FolderInUse as error:
        (folder / 'error.txt').write_text(str(error))
        os._exit(3)


def test_it_says_who_holds_it_and_goes(tmp_path):
    with run_lock(tmp_path / 'new' / 'folder'):
        entry = entry_of(tmp_path / 'new' / 'folder')
        assert entry['pid'] == os.getpid() and entry['host']
    assert not list((tmp_path / 'new' / 'folder').iterdir())


def test_a_second_process_is_refused(tmp_path):
    with run_lock(tmp_path):
        assert fork(try_it, tmp_path) == 3
        assert entry_of(tmp_path)['pid'] == os.getpid()
    message = (tmp_path / 'error.txt').read_text()
    assert message.startswith(f'process {os.getpid()} works in {tmp_path} since 2')
    assert 'give another --work-dir' in message


def test_it_goes_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / LOCK_NAME).exists()


def test_what_a_killed_run_leaves_is_taken_over(tmp_path):
    assert fork(hold_and_die, tmp_path) == -signal.SIGKILL
    assert entry_of(tmp_path)['pid'] != os.getpid()
    with run_lock(tmp_path):
        assert entry_of(tmp_path)['pid'] == os.getpid()


def test_a_number_that_another_process_has_now_is_not_the_run(tmp_path):
    with run_lock(tmp_path):
        stale = dict(entry_of(tmp_path), start='1')
    (tmp_path / LOCK_NAME).write_text(json.dumps(stale))
    with run_lock(tmp_path):
        pass


def test_another_machine_is_not_judged(tmp_path):
    with run_lock(tmp_path):
        other = dict(entry_of(tmp_path), host='node7', machine='00000000', pid=1)
    (tmp_path / LOCK_NAME).write_text(json.dumps(other))
    with pytest.raises(FolderInUse, match=r'\(node7, process 1, .* remove .*run.lock'), run_lock(
            tmp_path):
        pass
    assert entry_of(tmp_path) == other


@pytest.mark.parametrize('content', ['', '{', '[]', '{"pid": "x"}'])
def test_a_damaged_lock_is_an_error_with_its_name(tmp_path, content):
    (tmp_path / LOCK_NAME).write_text(content)
    with pytest.raises(FolderInUse, match='does not say which run .* remove .*run.lock'), run_lock(
            tmp_path):
        pass


def compete(folder, barrier):
    barrier.wait(60)
    try:
        with run_lock(folder):
            barrier.wait(60)
    except FolderInUse:
        barrier.wait(60)
        os._exit(3)


def test_of_many_one_takes_over(tmp_path):
    assert fork(hold_and_die, tmp_path) == -signal.SIGKILL
    context = multiprocessing.get_context('fork')
    barrier = context.Barrier(8)
    processes = [context.Process(target=compete, args=(tmp_path, barrier)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(process.exitcode for process in processes) == [0] + [3] * 7
