"""Fetching from a server on loopback: whole, in pieces, wrong, refused, and by several at once."""

import errno
import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from huggingface_hub.constants import HUGGINGFACE_CO_URL_HOME

from expalign.limits import LimitExceeded
from expalign.utils import download as module
from expalign.utils.download import FetchError, Source, download
from tests.helpers.file_server import file_server
from tests.helpers.processes import free_port

CONTENT = bytes(range(256)) * 40  # 10,240 bytes
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """With the file at ``/w.pth``; the network is not forbidden, and nobody waits long."""
    monkeypatch.setenv('HF_HUB_OFFLINE', '0')
    monkeypatch.setattr(module, 'PAUSE', 0.01)
    monkeypatch.setattr(module, 'BLOCK', 1024)
    with file_server() as server:
        server.files['/w.pth'] = CONTENT
        yield server


def source(server, digest=DIGEST[:8], path='/w.pth'):
    return Source(server.address + path, digest, 1)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetched_once(server, tmp_path, capsys):
    target = tmp_path / 'cache' / 'w.pth'
    for _ in range(2):
        download(source(server), target)
        assert target.read_bytes() == CONTENT
    assert server.requests == [('GET', '/w.pth', '')]
    assert names(target.parent) == ['w.pth']
    assert capsys.readouterr().out == ''


def test_a_torn_connection_is_continued(server, tmp_path):
    server.torn['/w.pth'] = [3000, 0, 4000]
    download(source(server), tmp_path / 'w.pth')
    assert (tmp_path / 'w.pth').read_bytes() == CONTENT
    assert [asked for _, _, asked in server.requests] == [
        '', 'bytes=3000-', 'bytes=3000-', 'bytes=7000-']


def test_another_process_goes_on(server, tmp_path, monkeypatch):
    """What an ended process has left counts, and so does a redirect."""
    server.redirects['/moved.pth'] = '/w.pth'
    server.torn['/w.pth'] = [5000]
    monkeypatch.setattr(module.time, 'sleep', _interrupt)
    with pytest.raises(KeyboardInterrupt):
        download(source(server, path='/moved.pth'), tmp_path / 'w.pth')
    monkeypatch.undo()
    monkeypatch.setenv('HF_HUB_OFFLINE', '0')
    assert names(tmp_path) == ['.w.pth.download']
    download(source(server, path='/moved.pth'), tmp_path / 'w.pth')
    assert (tmp_path / 'w.pth').read_bytes() == CONTENT
    assert server.requests[-2:] == [
        ('GET', '/moved.pth', 'bytes=5000-'), ('GET', '/w.pth', 'bytes=5000-')]


def _interrupt(seconds):
    raise KeyboardInterrupt


@pytest.mark.parametrize('begun', [
    b'another file', CONTENT[:100] + b'!', CONTENT, CONTENT + b'more', b'!' * len(CONTENT)])
def test_beginnings_that_do_not_fit_are_given_up(server, tmp_path, begun):
    (tmp_path / '.w.pth.download').write_bytes(begun)
    download(source(server), tmp_path / 'w.pth')
    assert (tmp_path / 'w.pth').read_bytes() == CONTENT


def test_without_a_hash_nothing_older_is_continued(server, tmp_path):
    (tmp_path / '.w.pth.download').write_bytes(b'another file')
    download(source(server, ''), tmp_path / 'w.pth')
    assert (tmp_path / 'w.pth').read_bytes() == CONTENT


def test_a_server_without_ranges(server, tmp_path):
    server.ranges = False
    server.torn['/w.pth'] = [3000]
    download(source(server), tmp_path / 'w.pth')
    assert (tmp_path / 'w.pth').read_bytes() == CONTENT


def test_servers_that_are_busy_are_asked_again(server, tmp_path):
    server.refusals['/w.pth'] = [503, 429, 404]
    with pytest.raises(FetchError, match='the server says 404'):
        download(source(server), tmp_path / 'w.pth')
    assert len(server.requests) == 3


def test_refusals_are_one_line_with_the_address_and_what_to_do(server, tmp_path, monkeypatch):
    target = tmp_path / 'w.pth'
    server.torn['/w.pth'] = [100, *[0] * 10]
    closed = f'http://127.0.0.1:{free_port()}/w.pth'
    cases = {
        'the server says 404 Not Found': source(server, path='/gone.pth'),
        'Connection refused': Source(closed),
        'the connection ended after 100 of 10,240 bytes': source(server),
        'begins with http:// or https://': Source('file:///etc/passwd'),
    }
    for reason, wanted in cases.items():
        with pytest.raises(FetchError, match=reason) as error:
            download(wanted, target)
        message = str(error.value)
        assert '\n' not in message and wanted.address in message
        assert 'begins with' in message or f'put it there as {target}' in message
    assert not target.exists()
    monkeypatch.setenv('HF_HUB_OFFLINE', 'True')
    with pytest.raises(FetchError, match='because HF_HUB_OFFLINE is set'):
        download(source(server), target)


def test_another_file_than_expected_is_not_kept(server, tmp_path):
    with pytest.raises(FetchError, match=f'its sha256 is {DIGEST}, and should begin with 00ff'):
        download(source(server, '00ff'), tmp_path / 'w.pth')
    assert names(tmp_path) == []


def test_no_room(server, tmp_path, monkeypatch):
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, 'disk_usage', lambda _: usage._replace(free=10_000))
    with pytest.raises(FetchError, match=r'needs 0 MB, and .* has room for 0 MB'):
        download(source(server), tmp_path / 'w.pth')
    monkeypatch.undo()
    monkeypatch.setenv('HF_HUB_OFFLINE', '0')

    def full(file):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(module.os, 'fsync', full)
    with pytest.raises(FetchError, match='there is no room left in') as error:
        download(source(server), tmp_path / 'w.pth')
    assert '\n' not in str(error.value) and names(tmp_path) == ['.w.pth.download']


def test_too_large(server, tmp_path, monkeypatch):
    monkeypatch.setenv('EXPALIGN_MAX_DOWNLOAD_BYTES', '9000')
    with pytest.raises(LimitExceeded, match='10,240 bytes in a file to fetch'):
        download(source(server), tmp_path / 'w.pth')
    server.headers['/w.pth'] = {'Content-Length': '8000'}
    monkeypatch.setenv('EXPALIGN_MAX_DOWNLOAD_BYTES', '5000')
    with pytest.raises(LimitExceeded):
        download(source(server), tmp_path / 'w.pth')


def test_a_mirror_of_the_hub(server, tmp_path, monkeypatch):
    monkeypatch.setenv('HF_ENDPOINT', server.address + '/')
    download(Source(f'{HUGGINGFACE_CO_URL_HOME}w.pth', DIGEST), tmp_path / 'w.pth')
    assert (tmp_path / 'w.pth').read_bytes() == CONTENT


def _fetch_slowly(address, target, results):
    fsync = os.fsync
    module.os.fsync = lambda descriptor: (time.sleep(0.3), fsync(descriptor))
    download(Source(address, DIGEST), target)
    results.put(target.read_bytes() == CONTENT)


def test_two_processes_fetch_one_file_once(server, tmp_path):
    context = get_context('fork')
    results = context.Queue()
    processes = [context.Process(
        target=_fetch_slowly, args=(source(server).address, tmp_path / 'w.pth', results))
        for _ in range(3)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [True] * 3
    for process in processes:
        process.join()
    assert len(server.requests) == 1 and names(tmp_path) == ['w.pth']


def test_threads_fetch_one_file_once(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: download(source(server), tmp_path / 'w.pth'), range(4)))
    assert len(server.requests) == 1 and names(tmp_path) == ['w.pth']


class Windows:
    """The module ``os`` of a system on which no open file gets another name or goes."""

    name = 'nt'

    def __init__(self):
        self.changed = []

    def __getattr__(self, attribute):
        return getattr(os, attribute)

    def replace(self, old, new):
        self._check(old)
        os.replace(old, new)

    def unlink(self, path):
        self._check(path)
        os.unlink(path)

    def _check(self, path):
        links = (f'/proc/self/fd/{number}' for number in os.listdir('/proc/self/fd'))
        held = [link for link in links if os.path.realpath(link) == os.path.realpath(path)]
        assert not held
        self.changed.append(path)


@pytest.mark.skipif(not os.path.isdir('/proc/self/fd'), reason='open files are not listed here')
@pytest.mark.parametrize('digest', [DIGEST[:8], 'f' * 8])
def test_files_are_closed_before_they_are_moved_on_windows(server, tmp_path, monkeypatch, digest):
    monkeypatch.setattr(module, 'os', windows := Windows())
    if digest == DIGEST[:8]:
        download(source(server), tmp_path / 'w.pth')
        assert names(tmp_path) == ['w.pth']
    else:
        with pytest.raises(FetchError, match='is not the file that is expected'):
            download(source(server, digest), tmp_path / 'w.pth')
        assert names(tmp_path) == []
    assert len(windows.changed) == 1
