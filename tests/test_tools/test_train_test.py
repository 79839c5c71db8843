"""tools/train.py and tools/test.py on a few of the shipped photographs, in one process."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CONFIG = 'configs/mini/expalign_mini.py'
SMALL = [
    'train_dataloader.batch_size=2', 'train_dataloader.dataset.indices=2',
    'val_dataloader.dataset.indices=1', 'test_dataloader.dataset.indices=2',
    'default_hooks.checkpoint.interval=1', 'log_level=WARNING',
    'model.test_cfg.score_thr=1e-6']  # so short a training leaves every score low


@pytest.fixture(scope='module')
def checkpoints(run_script, tmp_path_factory) -> tuple[Path, Path]:
    """Checkpoints after one epoch of one iteration, and after a second one, resumed."""
    work_dir = tmp_path_factory.mktemp('train')
    for epochs, options in ((1, ()), (2, ('--resume',))):
        run_script('tools/train.py', CONFIG, '--work-dir', work_dir, *options, '--cfg-options',
                   f'train_cfg.max_epochs={epochs}', f'train_cfg.val_interval={epochs}',
                   'default_hooks.checkpoint.max_keep_ckpts=2', *SMALL)
    return work_dir / 'epoch_1.pth', work_dir / 'epoch_2.pth'


def test_resume_goes_on(checkpoints):
    first, second = (torch.load(path, weights_only=True) for path in checkpoints)
    assert (first['meta']['epoch'], first['meta']['iter']) == (1, 1)
    assert (second['meta']['epoch'], second['meta']['iter']) == (2, 2)
    assert any(not torch.equal(value, second['state_dict'][name])
               for name, value in first['state_dict'].items())


@pytest.mark.parametrize('options', [
    ['--show-dir', 'pictures'], ['--tta'], ['--fuse-conv-bn']])
def test_test_writes_predictions(run_script, checkpoints, tmp_path, options):
    out = tmp_path / 'predictions.pkl'
    run_script('tools/test.py', CONFIG, checkpoints[1], '--work-dir', tmp_path, '--out', out,
               *options, '--cfg-options', *SMALL)
    predictions = [image['pred_instances'] for image in pickle.loads(out.read_bytes())]
    assert len(predictions) == 2
    for found in predictions:
        assert 0 < len(found['scores']) <= 300
        assert found['bboxes'].shape == (len(found['scores']), 4)
    pictures = list(tmp_path.rglob('pictures/*.jpg'))
    assert len(pictures) == (2 if '--show-dir' in options else 0)


def test_checkpoint_of_another_model_is_explained(run_script, checkpoints, tmp_path):
    with pytest.raises(RuntimeError) as info:
        run_script('tools/test.py', CONFIG, checkpoints[1], '--work-dir', tmp_path,
                   '--cfg-options', 'model.bbox_head.head_module.reg_max=8', *SMALL)
    assert 'the checkpoint does not match the model: ' in str(info.value)
    assert 'bbox_head' in str(info.value)
    assert '(64,) instead of (32,)' in str(info.value)


@pytest.mark.parametrize(('arguments', 'message'), [
    (['{ckpt}', '--out', 'a.json'], '--out a.json: the name must end in .pkl or .pickle'),
    (['absent.pth'], 'checkpoint absent.pth does not exist'),
])
def test_test_refuses_early(run_script, capsys, arguments, message):
    arguments = [argument.format(ckpt=CONFIG) for argument in arguments]
    with pytest.raises(SystemExit):
        run_script('tools/test.py', CONFIG, *arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(('before', 'expected'), [(None, 'PASSIVE'), ('ACTIVE', 'ACTIVE')])
def test_threads_do_not_spin_unless_asked_to(before, expected):
    """The policy is in place when torch is imported, which here is made to fail and show it."""
    env = {name: value for name, value in os.environ.items() if name != 'OMP_WAIT_POLICY'}
    if before:
        env['OMP_WAIT_POLICY'] = before
    code = (
        'import os, runpy, sys\n'
        'class Finder:\n'
        '    def find_spec(self, name, *_):\n'
        "        if name.split('.')[0] == 'torch':\n"
        "            print(os.environ.get('OMP_WAIT_POLICY'), flush=True)\n"
        '            os._exit(7)\n'
        'sys.meta_path.insert(0, Finder())\n'
        "sys.argv = ['train.py', 'configs/mini/expalign_mini.py']\n"
        "runpy.run_path('tools/train.py', run_name='__main__')\n")
    result = subprocess.run(
        [sys.executable, '-c', code], env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (7, f'{expected}\n'), result.stderr


def test_fp16_on_a_cpu_is_refused(run_script):
    if torch.cuda.is_available():
        pytest.skip('a CUDA device is there')
    with pytest.raises(ValueError, match='--amp fp16 needs CUDA'):
        run_script('tools/train.py', CONFIG, '--amp', 'fp16')


def test_auto_scale_lr_needs_its_base(run_script, tmp_path):
    config = tmp_path / 'plain.py'
    config.write_text('optim_wrapper = dict()\n')
    with pytest.raises(ValueError, match=r'plain\.py has no auto_scale_lr\.base_batch_size'):
        run_script('tools/train.py', config, '--auto-scale-lr')


def test_resume_keeps_what_the_config_loads(repo_root):
    from argparse import Namespace
    from runpy import run_path

    from mmengine.config import Config
    apply_options = run_path(str(repo_root / 'tools/train.py'))['apply_options']
    options = dict(work_dir='w', config='c.py', amp=None, auto_scale_lr=False, compile=False)
    for resume, expected in ((None, (False, 'stage1.pth')), ('auto', ('auto', 'stage1.pth')),
                             ('x.pth', (True, 'x.pth'))):
        cfg = Config(dict(resume=False, load_from='stage1.pth'))
        apply_options(cfg, Namespace(resume=resume, **options))
        assert (cfg.resume, cfg.load_from) == expected
