"""Hostile checkpoints: nothing of them runs, and the message says what to do."""

import io
import os
import pickle
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint
from safetensors.torch import save_file
from torch import hub

import expalign
from expalign.checkpoints.safe_load import UntrustedCheckpointError, load_torch_file
from expalign.checkpoints.trust import FLAG, checkpoints_are_trusted


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


def write_film(path: Path) -> str:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 5, (32, 32))
    writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.release()
    return str(path)


def hostile_files(folder: Path, ran: Path) -> dict[str, str]:
    """A hostile file of every kind."""
    reduced = io.BytesIO()
    torch.save(dict(state_dict={}, meta=Hostile(ran)), reduced)
    history = io.BytesIO()
    torch.save(dict(message_hub=HostileHistory()), history)
    legacy = io.BytesIO()
    torch.save(dict(meta=Hostile(ran)), legacy, _use_new_zipfile_serialization=False)
    program = f'import os\nos.mkdir({str(ran)!r})'
    for keys in (('meta', 'config'), ('meta', 'cfg'), ('message_hub', 'runtime_info', 'cfg')):
        content = program
        for key in reversed(keys):
            content = {key: content}
        torch.save(content, folder / f'{keys[0]}_{keys[-1]}.pth')
    save_file(dict(a=torch.zeros(1)), folder / 'header.safetensors', dict(cfg=program))
    return {
        'posix.mkdir': write(folder / 'reduce.pth', reduced.getvalue()),
        'mmengine.logging.history_buffer.HistoryBuffer': write(
            folder / 'history.pth', history.getvalue()),
        'mkdir': write(folder / 'legacy.pth', legacy.getvalue()),
        'posix': write(folder / 'plain.pkl', pickle.dumps(Hostile(ran), 0)),
        'no torch checkpoint': write(
            folder / 'old_opcode.pth', f"(S'{ran}'\niposix\nmkdir\n.".encode()),
        'config in it (meta.config, line 1': str(folder / 'meta_config.pth'),
        'config in it (meta.cfg, line 1': str(folder / 'meta_cfg.pth'),
        'config in it (message_hub.runtime_info.cfg, line': str(folder / 'message_hub_cfg.pth'),
        'config in it (meta.cfg, line 1 is not an': str(folder / 'header.safetensors'),
    }


def test_nothing_runs_and_the_message_helps(tmp_path, ran):
    for culprit, path in hostile_files(tmp_path, ran).items():
        loaders = (load_torch_file, CheckpointLoader.load_checkpoint)
        for load in loaders[path.endswith('.safetensors'):]:
            with pytest.raises(UntrustedCheckpointError) as caught:
                load(path)
            message = str(caught.value)
            assert message.startswith(f'{path} was not loaded: ')
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
    with pytest.raises(UntrustedCheckpointError, match='^the checkpoint, which was read from a st'):
        CheckpointLoader.load_checkpoint('s3://bucket/a.pth')
    monkeypatch.setattr(
        hub, 'download_url_to_file', lambda url, target, *_, **__: Path(target).write_bytes(
            Path(path).read_bytes()))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    address = 'https://nowhere.invalid/hostile.pth'
    with pytest.raises(UntrustedCheckpointError, match=f'^{address} was not loaded'):
        CheckpointLoader.load_checkpoint(address)
    assert not ran.exists()


CONFIG = 'configs/mini/expalign_mini.py'
PHOTO = 'demo/data/mini/val2017/000000214753.jpg'
# Every command that loads a checkpoint; * stands for its path.
COMMANDS = (
    ('tools/test.py', CONFIG, '*'), ('tools/train.py', CONFIG, '--resume', '*'),
    ('tools/train.py', CONFIG, '--cfg-options', 'load_from=*'),
    ('tools/model_converters/publish_model.py', CONFIG, '*', 'published'),
    ('tools/deploy/export_onnx.py', CONFIG, '*', '-o', 'a.onnx'),
    ('tools/deploy/test_onnx.py', CONFIG, PHOTO, '--compare', '*'),
    ('tools/distillation/cache_image_side.py', '*', 'maps', '--config', CONFIG,
     '--vectors', 'absent.npz'),
    ('tools/distillation/distill_text.py', 'absent.npz', '*', 'maps', 'a.safetensors'),
    ('demo/image_demo.py', PHOTO, CONFIG, '--weights', '*', '--texts', 'a cat'),
    ('demo/image_demo.py', PHOTO, '*', '--texts', 'a cat'),
    ('demo/video_demo.py', 'VIDEO', CONFIG, '--weights', '*', '--texts', 'a cat'),
    ('demo/web_demo.py', CONFIG, '--weights', '*'))


@pytest.mark.parametrize('command', COMMANDS, ids=lambda command: '-'.join(
    [Path(command[0]).stem, *(part for part in command if part in ('--resume', '--weights'))]))
def test_every_command(tmp_path, ran, run_script, capsys, command):
    if 'web_demo' in command[0]:
        pytest.importorskip('uvicorn')
    films = write_film(tmp_path / 'film.avi') if 'VIDEO' in command else ''
    script, *arguments = [part.replace('VIDEO', films) for part in command]
    if script in ('tools/test.py', 'tools/train.py'):
        arguments += ['--work-dir', tmp_path / 'work']
    hostile_files(tmp_path, ran)
    for name in ('reduce.pth', 'history.pth', 'meta_config.pth'):
        path = str(tmp_path / name)
        with pytest.raises((UntrustedCheckpointError, SystemExit)) as caught:
            run_script(script, *(str(part).replace('*', path) for part in arguments))
        printed = ''.join(capsys.readouterr())
        told = printed if caught.type is SystemExit else str(caught.value)
        assert f'{path} was not loaded: ' in told and FLAG in told
        assert not ran.exists()
        assert 'planted' not in HistoryBuffer._statistics_methods
    assert not checkpoints_are_trusted()
    with pytest.raises(SystemExit):
        run_script(script, '--help')
    assert FLAG in capsys.readouterr().out  # what the message advises is there


def test_inference_functions(tmp_path, ran):
    from mmdet.apis import DetInferencer, init_detector

    from expalign.apis import ExpAlignInferencer
    files = hostile_files(tmp_path, ran)
    for build in (init_detector, DetInferencer, ExpAlignInferencer):
        with pytest.raises(UntrustedCheckpointError, match='reduce.pth was not loaded'):
            build(CONFIG, files['posix.mkdir'], device='cpu')
    # mmengine would run the config of a checkpoint that is given alone.
    for path in files.values():
        with pytest.raises(UntrustedCheckpointError, match='was not loaded'):
            DetInferencer(weights=path, device='cpu')
    assert not ran.exists()


def literal_files(folder: Path, ran: Path) -> list[str]:
    """Checkpoints whose config is literals alone, and names a function to be called."""
    places = dict(
        model=dict(type='os.mkdir', path=str(ran)),
        visualizer=dict(type='mmdet.DetLocalVisualizer'),
        test_dataloader=dict(dataset=dict(pipeline=[])))
    text = '\n'.join(f'{name} = {value}' for name, value in places.items())
    torch.save(dict(state_dict={}, meta=dict(cfg=text)), folder / 'literal_meta.pth')
    torch.save(dict(state_dict={}, message_hub=dict(runtime_info=dict(cfg=text)), meta={}),
               folder / 'literal_hub.pth')
    save_file(dict(a=torch.zeros(1)), folder / 'literal.safetensors', dict(cfg=text))
    names = ('literal_meta.pth', 'literal_hub.pth', 'literal.safetensors')
    return [str(folder / name) for name in names]


def test_types_in_the_config_of_a_checkpoint_given_alone(tmp_path, ran):
    from mmdet.apis import DetInferencer

    from expalign.apis import ExpAlignInferencer
    builds = (
        DetInferencer, ExpAlignInferencer, partial(DetInferencer, {}),
        lambda weights, device: ExpAlignInferencer(weights, device=device))
    for path in literal_files(tmp_path, ran):
        for build in builds:
            with pytest.raises(UntrustedCheckpointError) as caught:
                build(weights=path, device='cpu')
            assert f"the config in {path} names the type 'os.mkdir'" in str(caught.value)
            assert FLAG in str(caught.value)
            assert not ran.exists(), path
    expalign.trust_checkpoints()
    with pytest.raises(AttributeError):  # what mkdir gives is no model
        DetInferencer(weights=path, device='cpu')
    assert ran.is_dir()


def test_resuming_imports_nothing_for_a_checkpoint(tmp_path):
    torch.save(dict(meta=dict(config="custom_imports = dict(imports=['this'])")),
               tmp_path / 'a.pth')
    with pytest.raises(UntrustedCheckpointError, match=r'a\.pth .*meta\.config, it has custom_im'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))


def test_flag_of_the_command_lines(tmp_path, ran):
    import argparse

    from expalign.apis.command_line import add_model_arguments
    from expalign.apis.run_arguments import add_run_arguments
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


def test_a_header_may_name_its_config(tmp_path):
    path = tmp_path / 'a.safetensors'
    for name, refused in (('a_config.py', False), ('a-b_1.2.py', False), ('a().py', True),
                          ('a.py\nb', True)):
        save_file(dict(a=torch.ones(2)), path, dict(config=name))
        if refused:
            with pytest.raises(UntrustedCheckpointError, match=r'meta\.config, line 1 is not'):
                CheckpointLoader.load_checkpoint(str(path))
        else:
            assert CheckpointLoader.load_checkpoint(str(path))['meta']['config'] == name
