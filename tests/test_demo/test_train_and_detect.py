"""The demo: early refusals, reuse of a training, and a short run of the whole."""

import json
import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from expalign.engine import launch

DEMO = 'demo/train_and_detect.py'
SMALL = [
    'train_cfg.max_epochs=1', 'train_cfg.val_interval=9', 'train_dataloader.batch_size=2',
    'train_dataloader.dataset.indices=2', 'test_dataloader.dataset.indices=2',
    'default_hooks.checkpoint.interval=1', 'log_level=WARNING', 'param_scheduler=None',
    'model.test_cfg.score_thr=1e-6']


@pytest.fixture(scope='module')
def broken_image(tmp_path_factory):
    path = tmp_path_factory.mktemp('images') / 'broken.jpg'
    path.write_bytes(b'no picture')
    return path


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--image', 'absent.jpg'], 'absent.jpg does not exist'),
    (['--image', 'BROKEN'], 'broken.jpg cannot be read; it is damaged, incomplete or not an image'),
    (['--text', ''], "no prompt in ''"),
    (['--text', ' . .'], "no prompt in ' . .'"),
])
def test_refuses_before_training(
        run_script, capsys, broken_image, tmp_path, arguments, message):
    arguments = [str(broken_image) if item == 'BROKEN' else item for item in arguments]
    with pytest.raises(SystemExit):
        run_script(DEMO, *arguments, '--out', tmp_path / 'out')
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_trains_once_and_writes_everything(run_script, capsys, tmp_path):
    out = tmp_path / 'out'
    image = tmp_path / 'a photo.png'
    cv2.imwrite(str(image), np.full((120, 200, 3), 90, np.uint8))

    def demo(lowest: str) -> str:
        run_script(DEMO, '--image', image, '--text', 'a raccoon. a tree.', '--out', out,
                   '--score-thr', lowest, '--cfg-options', *SMALL)
        return capsys.readouterr().out

    text = demo('0')
    assert 'Training a small model' in text
    assert 'epoch 1 of 1, loss' in text
    predictions = json.loads((out / 'predictions.json').read_text())
    assert predictions['prompts'] == ['a raccoon', 'a tree']
    assert predictions['image'] == str(image)
    assert predictions['detections']
    for item in predictions['detections']:
        assert item['prompt'] == predictions['prompts'][item['label']]
        x1, y1, x2, y2 = item['box']
        assert 0 <= x1 <= x2 <= 200
        assert 0 <= y1 <= y2 <= 120
    metrics = json.loads((out / 'metrics.json').read_text())
    annotations = 'demo/data/mini/annotations/instances_{}2017.json'
    for split, part in (('training_images', 'train'), ('held_out_images', 'val')):
        assert set(metrics[split]) == {'AP', 'AP50', 'images', 'annotations', 'meaning'}
        assert metrics[split]['images'] == 2
        assert metrics[split]['annotations'] == annotations.format(part)
    assert cv2.imread(str(out / 'detections.jpg')).shape == (120, 200, 3)

    checkpoint = out / 'training' / 'epoch_1.pth'
    written = checkpoint.stat().st_mtime_ns
    text = demo('0.9')
    assert f'Already trained: {checkpoint}' in text
    assert f'{image}: ' in text and 'a tree: none above 0.9, best 0.' in text
    best = json.loads((out / 'predictions.json').read_text())['best_scores']
    assert 0 < max(best) < 0.9
    assert checkpoint.stat().st_mtime_ns == written


class FakeRunner:
    """Leaves a checkpoint as mmengine's runner does, or is interrupted before it can."""

    interrupted = False
    started_with = []

    def __init__(self, cfg):
        self.folder = Path(cfg.work_dir)
        assert cfg.resume and cfg.get('load_from') is None

    def register_hook(self, hook):
        """Progress is of no interest here."""

    def train(self):
        self.started_with.append(sorted(path.name for path in self.folder.glob('*.pth')))
        checkpoint = self.folder / f'epoch_{len(self.started_with)}.pth'
        checkpoint.write_text('weights')
        (self.folder / 'last_checkpoint').write_text(str(checkpoint))
        if self.interrupted:
            raise KeyboardInterrupt


def config(width: int) -> Config:
    return Config(dict(width=width, train_cfg=dict(max_epochs=2)))


def test_interrupted_training_goes_on_and_another_config_starts_anew(monkeypatch, tmp_path):
    demo = runpy.run_path(DEMO)
    monkeypatch.setattr(launch, 'build_runner', FakeRunner)
    monkeypatch.setattr(FakeRunner, 'started_with', [])
    training = demo['Training'](config(1), tmp_path / 'out')
    assert training.finished_checkpoint() is None

    monkeypatch.setattr(FakeRunner, 'interrupted', True)
    with pytest.raises(KeyboardInterrupt):
        training.run(anew=False)
    assert training.finished_checkpoint() is None
    monkeypatch.setattr(FakeRunner, 'interrupted', False)
    checkpoint = training.run(anew=False)
    assert checkpoint == str(tmp_path / 'out' / 'epoch_2.pth')
    assert training.finished_checkpoint() == checkpoint
    assert FakeRunner.started_with == [[], ['epoch_1.pth']]

    other = demo['Training'](config(2), tmp_path / 'out')
    assert other.finished_checkpoint() is None
    other.run(anew=False)
    assert training.finished_checkpoint() is None
    other.run(anew=True)
    assert FakeRunner.started_with[2:] == [[], []]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / 'mine.txt').write_text('precious')
    training = runpy.run_path(DEMO)['Training'](config(1), tmp_path)
    with pytest.raises(FileExistsError, match='was not made by the demo; choose another folder'):
        training.run(anew=True)
    assert (tmp_path / 'mine.txt').read_text() == 'precious'
