"""mmdet's own tools on a shipped config, from another working directory, with what they write."""

import importlib.util
import pickle
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(importlib.util.find_spec('mmdet').origin).parent / '.mim/tools'
CONFIG = ROOT / 'configs/mini/expalign_mini.py'
DATA = f'{ROOT}/demo/data/mini/'
OPTIONS = [
    *(f'{split}_dataloader.dataset.data_root={DATA}' for split in ('train', 'val', 'test')),
    *(f'{split}_evaluator.ann_file={DATA}annotations/instances_val2017.json'
      for split in ('val', 'test')),
    *(f'{split}_dataloader.dataset.indices=4' for split in ('train', 'val', 'test')),
    'model.test_cfg.score_thr=1e-6', 'log_level=WARNING']

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TOOLS.is_dir(), reason='this mmdet was installed without its tools')]


@pytest.fixture(scope='module')
def folder(tmp_path_factory, run_script):
    """A working directory elsewhere, with a checkpoint of one epoch in ``train``."""
    folder = tmp_path_factory.mktemp('elsewhere')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_script('tools/train.py', CONFIG, '--work-dir', 'train', '--cfg-options',
                   'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
                   'default_hooks.checkpoint.interval=1', 'default_hooks.logger.interval=1',
                   'train_dataloader.batch_size=2', *OPTIONS)
        yield folder


@pytest.fixture
def run(folder):
    """Run one of the tools as its own main program."""
    from tests.conftest import forget_visualizers

    def run_tool(name: str, *arguments: object) -> None:
        forget_visualizers()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, 'argv', [name, *map(str, arguments)])
            patch.chdir(folder)
            runpy.run_path(str(TOOLS / name), run_name='__main__')

    return run_tool


@pytest.fixture(scope='module')
def predictions(folder, run_script) -> Path:
    """Predictions that this project's tool has written."""
    out = folder / 'predictions.pkl'
    run_script('tools/test.py', CONFIG, 'train/epoch_1.pth', '--work-dir', 'ours', '--out', out,
               '--cfg-options', *OPTIONS)
    return out


def scores(path: Path) -> list[list[float]]:
    return [sorted(image['pred_instances']['scores'].tolist(), reverse=True)
            for image in pickle.loads(path.read_bytes())]


def test_test_gives_what_ours_gives(run, folder, predictions):
    run('test.py', CONFIG, 'train/epoch_1.pth', '--work-dir', 'theirs', '--out', 'theirs.pkl',
        '--cfg-options', *OPTIONS)
    for own, theirs in zip(scores(predictions), scores(folder / 'theirs.pkl'), strict=True):
        assert own == pytest.approx(theirs, abs=1e-6)


def test_tta_uses_the_views_that_the_config_defines(run, run_script, folder, monkeypatch):
    run('test.py', CONFIG, 'train/epoch_1.pth', '--work-dir', 'theirs', '--tta', '--out',
        'tta.pkl', '--cfg-options', *OPTIONS)
    monkeypatch.chdir(folder)
    run_script('tools/test.py', CONFIG, 'train/epoch_1.pth', '--work-dir', 'ours', '--tta',
               '--out', 'our_tta.pkl', '--cfg-options', *OPTIONS)
    theirs, own = scores(folder / 'tta.pkl'), scores(folder / 'our_tta.pkl')
    assert len(theirs) == 4 and all(map(len, theirs))
    for mine, other in zip(own, theirs, strict=True):
        assert mine == pytest.approx(other, abs=1e-6)


def test_analysis_of_results(run, folder, predictions):
    run('analysis_tools/analyze_results.py', CONFIG, predictions, 'results', '--topk', 1,
        '--cfg-options', *OPTIONS)
    assert [len(list((folder / 'results' / kind).glob('*.jpg'))) for kind in ('good', 'bad')] == [
        1, 1]
    run('analysis_tools/confusion_matrix.py', CONFIG, predictions, 'confusion', '--cfg-options',
        *OPTIONS)
    assert (folder / 'confusion/confusion_matrix.png').stat().st_size > 10_000


def test_logs_and_data(run, folder):
    (log,) = folder.glob('train/*/vis_data/scalars.json')
    run('analysis_tools/analyze_logs.py', 'plot_curve', log, '--keys', 'loss_cls', '--style',
        'ggplot', '--out', 'curve.png')
    assert (folder / 'curve.png').stat().st_size > 5_000
    run('analysis_tools/analyze_logs.py', 'cal_train_time', log)
    run('analysis_tools/browse_dataset.py', CONFIG, '--output-dir', 'browse', '--not-show',
        '--cfg-options', *OPTIONS)
    assert len(list((folder / 'browse').glob('*.jpg'))) == 4
