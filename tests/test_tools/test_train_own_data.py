"""The command ``expalign train FOLDER`` from outside, as a stranger runs it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from expalign.checkpoints.fetch import cache_folder
from tests.helpers.own_folders import NAMES, WRITERS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def image_side() -> str:
    """YOLO-World's file, which a first call would fetch."""
    named = os.environ.get('EXPALIGN_YOLO_WORLD')
    path = Path(named) if named else cache_folder() / 'yolov8s-worldv2.pt'
    if not path.is_file():
        pytest.skip('the image side of the detector is not here: run expalign detect once, or '
                    'name it in the variable EXPALIGN_YOLO_WORLD')
    return str(path.absolute())


def expalign(folder: Path, image_side: str, *arguments: object) -> subprocess.CompletedProcess:
    """Run the command in a folder, with an empty cache."""
    environment = dict(
        os.environ, EXPALIGN_YOLO_WORLD=image_side, XDG_CACHE_HOME=str(folder / 'cache'),
        PYTHONPATH=os.pathsep.join([str(ROOT / 'projects'), os.environ.get('PYTHONPATH', '')]))
    return subprocess.run(
        [sys.executable, '-m', 'expalign', *map(str, arguments)], cwd=folder, text=True,
        capture_output=True, env=environment, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(('kind', 'count', 'mode'), [
    ('yolo', 12, 'tune'), ('voc', 14, 'probe'), ('roboflow', 16, 'tune'), ('labelme', 12, 'tune'),
    ('yolo', 12, 'full')])
def test_a_folder_becomes_a_detector(kind, count, mode, image_side, tmp_path):
    WRITERS[kind](tmp_path / 'photos', count)
    run = expalign(tmp_path, image_side, 'train', 'photos', '--epochs', 2, '--imgsz', 320,
                   '--mode', mode)
    assert run.returncode == 0, run.stderr[-3000:]
    out = tmp_path / f'trained/photos_{mode}'
    metrics = json.loads((out / 'metrics.json').read_text())
    assert f'{count} images' in run.stdout or kind == 'roboflow'
    assert 'before training: boxes AP' in run.stdout and 'after training: boxes AP' in run.stdout
    assert 'step 1 of' in run.stderr and ' left' in run.stderr
    assert (kind == 'labelme') == ('masks AP' in run.stdout)
    assert (out / 'report.html').stat().st_size > 10_000
    # With the text encoder, where everything is trained.
    assert (out / 'best.safetensors').stat().st_size < (80e6 if mode == 'full' else 20e6)
    if mode == 'tune':  # other prompts are what they were, and own ones no worse
        assert metrics['after']['AP'] >= metrics['before']['AP'] - 0.02
        assert (out / 'best.safetensors').stat().st_size < 50_000
    photo = next((tmp_path / 'photos').rglob('*.jpg'))
    found = expalign(tmp_path, image_side, 'detect', photo, out / 'best.safetensors',
                     '--out-dir', 'found')
    assert found.returncode == 0, found.stderr[-3000:]
    (prediction,) = (json.loads(path.read_text()) for path in (tmp_path / 'found').rglob('*.json'))
    assert set(json.dumps(prediction).split('"')) & set(NAMES)
    assert list((tmp_path / 'found').rglob('vis/*'))
    if kind == 'yolo':
        run_what_was_printed(run.stdout, mode, tmp_path, image_side)


def run_what_was_printed(said: str, mode: str, folder: Path, image_side: str) -> None:
    """The commands at the end of a run, as they are; of those that train, that they are there."""
    commands = [shlex.split(line) for line in said.splitlines() if line.startswith('expalign ')]
    boxes_too = ['expalign', 'train', 'photos', '--mode', 'probe', '--imgsz', '320']
    assert [words[1] for words in commands[:5]] == ['detect', 'detect', 'test', 'export', 'train']
    assert commands[5:] == ([boxes_too] if mode == 'tune' else [])
    for words in commands[:4]:
        done = expalign(folder, image_side, *words[1:])
        assert done.returncode == 0, (words, done.stderr[-3000:])
    assert (folder / 'model.onnx').is_file()
