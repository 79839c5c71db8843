"""Hostile checkpoints: nothing of them runs, and the message says what to do."""

import io
import os
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import hub

import expalign
from expalign.engine.safe_load import UntrustedCheckpointError, load_torch_file
from expalign.trust import FLAG, checkpoints_are_trusted


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


class HostileHistory:
    """Pickles as a HistoryBuffer that brings a function along.

    ``HistoryBuffer.__setstate__`` puts the file's functions where all buffers of the process find
    theirs, and ``getattr`` reaches the functions; mmengine allows both with ``weights_only=True``.
    """

    def __reduce__(self):
        return HistoryBuffer, (), dict(statistics_methods=dict(planted=_Reached()))


class _Reached:
    def __reduce__(self):
        return getattr, (HistoryBuffer, 'register_statistics')


@pytest.fixture(autouse=True)
def no_trust():
    yield
    HistoryBuffer._statistics_methods.pop('planted', None)
    expalign.trust_checkpoints(False)


@pytest.fixture
def ran(tmp_path):
    """The folder that appears when a hostile file has run."""
    return tmp_path / 'ran'


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def hostile_files(folder: Path, ran: Path) -> dict[str, str]:
    """A hostile file of every kind."""
    reduced = io.BytesIO()
    torch.save(dict(state_dict={}, meta=Hostile(ran)), reduced)
    history = io.BytesIO()
    torch.save(dict(message_hub=HostileHistory()), history)
    legacy = io.BytesIO()
    torch.save(dict(meta=Hostile(ran)), legacy, _use_new_zipfile_serialization=False)
    return {
        'posix.mkdir': write(folder / 'reduce.pth', reduced.getvalue()),
        'mmengine.logging.history_buffer.HistoryBuffer': write(
            folder / 'history.pth', history.getvalue()),
        'mkdir': write(folder / 'legacy.pth', legacy.getvalue()),
        'posix': write(folder / 'plain.pkl', pickle.dumps(Hostile(ran), 0)),
        'no torch checkpoint': write(
            folder / 'old_opcode.pth', f"(S'{ran}'\niposix\nmkdir\n.".encode()),
    }


def test_nothing_runs_and_the_message_helps(tmp_path, ran):
    for culprit, path in hostile_files(tmp_path, ran).items():
        for load in (load_torch_file, CheckpointLoader.load_checkpoint):
            with pytest.raises(UntrustedCheckpointError) as caught:
                load(path)
            message = str(caught.value)
            assert message.startswith(f'{path} was not loaded: it ')
            assert culprit in message and FLAG in message
            assert 'expalign.trust_checkpoints()' in message
            assert not ran.exists(), path
            assert 'planted' not in HistoryBuffer._statistics_methods


def test_the_hostile_history_passes_mmengines_list(tmp_path, ran):
    path = hostile_files(tmp_path, ran)['mmengine.logging.history_buffer.HistoryBuffer']
    with torch.serialization.safe_globals(mmengine_checkpoint.get_torch_safe_globals()):
        torch.load(path, weights_only=True)
    assert 'planted' in HistoryBuffer._statistics_methods
    del HistoryBuffer._statistics_methods['planted']
    with pytest.raises(UntrustedCheckpointError):
        CheckpointLoader.load_checkpoint(path)
    assert 'planted' not in HistoryBuffer._statistics_methods


def test_trust_is_a_decision_that_can_be_taken_back(tmp_path, ran):
    path = hostile_files(tmp_path, ran)['posix.mkdir']
    expalign.trust_checkpoints()
    CheckpointLoader.load_checkpoint(path)
    assert ran.is_dir()
    ran.rmdir()
    expalign.trust_checkpoints(False)
    with pytest.raises(UntrustedCheckpointError):
        CheckpointLoader.load_checkpoint(path)
    assert not ran.exists()


def test_object_stores_and_addresses_are_covered(tmp_path, ran, monkeypatch):
    path = hostile_files(tmp_path, ran)['posix.mkdir']

    class Store:
        @staticmethod
        def get(name):
            return Path(path).read_bytes()

    monkeypatch.setattr(mmengine_checkpoint, 'get_file_backend', lambda *_, **__: Store)
    with pytest.raises(UntrustedCheckpointError):
        CheckpointLoader.load_checkpoint('s3://bucket/a.pth')
    monkeypatch.setattr(
        hub, 'download_url_to_file', lambda url, target, *_, **__: Path(target).write_bytes(
            Path(path).read_bytes()))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    address = 'https://nowhere.invalid/hostile.pth'
    with pytest.raises(UntrustedCheckpointError, match=f'^{address} was not loaded'):
        CheckpointLoader.load_checkpoint(address)
    assert not ran.exists()


def test_runs_of_the_tools(tmp_path, ran, run_script):
    path = hostile_files(tmp_path, ran)['mmengine.logging.history_buffer.HistoryBuffer']
    config = 'configs/expalign_mini.py'
    with pytest.raises(UntrustedCheckpointError, match='history.pth was not loaded'):
        run_script('tools/test.py', config, path, '--work-dir', tmp_path / 'test')
    with pytest.raises(UntrustedCheckpointError, match='history.pth was not loaded'):
        run_script('tools/train.py', config, '--resume', path, '--work-dir', tmp_path / 'train')
    assert 'planted' not in HistoryBuffer._statistics_methods
    assert not checkpoints_are_trusted()


def test_inference_functions(tmp_path, ran):
    from mmdet.apis import DetInferencer, init_detector

    from expalign.apis import ExpAlignInferencer
    path = hostile_files(tmp_path, ran)['posix.mkdir']
    config = 'configs/expalign_mini.py'
    for build in (init_detector, DetInferencer, ExpAlignInferencer):
        with pytest.raises(UntrustedCheckpointError, match='reduce.pth was not loaded'):
            build(config, path, device='cpu')
    assert not ran.exists()


def test_flag_of_the_command_lines(tmp_path, ran):
    import argparse

    from expalign.apis.command_line import add_model_arguments
    from expalign.engine.launch import add_run_arguments
    for add in (add_model_arguments, add_run_arguments):
        parser = argparse.ArgumentParser()
        add(parser)
        assert parser.parse_args([]).trust_checkpoint is False and not checkpoints_are_trusted()
        assert parser.parse_args([FLAG]).trust_checkpoint is True and checkpoints_are_trusted()
        expalign.trust_checkpoints(False)


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / 'cut.pth'
    torch.save(dict(a=torch.zeros(9)), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match='cut.pth cannot be loaded as a torch checkpoint'):
        load_torch_file(str(path))
    with pytest.raises(ValueError, match='empty.pth cannot be loaded as a torch checkpoint'):
        load_torch_file(write(tmp_path / 'empty.pth', b''))


def test_plain_checkpoints_load(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(2)), meta=dict(epoch=3)), path)
    loaded = CheckpointLoader.load_checkpoint(str(path))
    assert loaded['state_dict']['a'].tolist() == [1, 1] and loaded['meta'] == dict(epoch=3)
