"""docs/own_data.md: a folder of one's own to a trained model, by its three commands."""

import json
import shutil

import pytest
import torch

from tests.helpers.annotations import write_yolo_folder

CONFIGS = {'boxes': 'expalign_mini_own-data.py', 'outlines': 'expalign_mini-seg_own-data.py'}
SHORT = ['train_dataloader.batch_size=2', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
         'default_hooks.checkpoint.interval=1', 'log_level=WARNING']


@pytest.fixture
def config(repo_root, tmp_path, monkeypatch, request):
    """The config for own data, in a folder that has ``data/own`` and nothing else."""
    monkeypatch.chdir(tmp_path)
    text = (repo_root / 'configs/own_data' / CONFIGS[request.param]).read_text()
    path = tmp_path / f'own_{request.param}.py'
    path.write_text(text.replace("'../", f"'{repo_root}/configs/"))
    return request.param, path


def copy_without_yolo(source, target):
    """The converted folder as a COCO folder: with files instead of links, with no labels."""
    shutil.copytree(source, target)
    shutil.rmtree(source)


CASES = [('boxes', 'yolo'), ('outlines', 'coco'), ('outlines', 'yolo'), ('boxes', 'coco')]


@pytest.mark.parametrize(('config', 'layout'), [
    CASES[0], *(pytest.param(*case, marks=pytest.mark.slow) for case in CASES[1:])],
    indirect=['config'])
def test_three_commands(run_script, tmp_path, capsys, config, layout):
    kind, path = config
    write_yolo_folder(tmp_path / 'photographs', outlines=kind == 'outlines', images=4)
    run_script('tools/dataset_converters/yolo2coco.py', 'photographs', 'data/own')
    if layout == 'coco':
        copy_without_yolo(tmp_path / 'data/own', tmp_path / 'data/coco-layout')
        (tmp_path / 'data/coco-layout').rename(tmp_path / 'data/own')
        shutil.rmtree(tmp_path / 'photographs')
    capsys.readouterr()
    run_script('tools/check_dataset.py', path, '--split', 'train', 'val')
    out = capsys.readouterr().out
    assert out.count('no problems') == 2
    assert out.count('4 instances with a mask') == (2 if kind == 'outlines' else 0)

    run_script('tools/train.py', path, '--cfg-options', *SHORT)
    work_dir = tmp_path / 'work_dirs' / path.stem
    checkpoint = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
    assert checkpoint['meta']['iter'] == 2
    log = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    scores = json.loads(log[-1])
    assert 'coco/bbox_mAP' in scores
    assert ('coco/segm_mAP' in scores) == (kind == 'outlines')
    losses = {key for line in log for key in json.loads(line) if key.startswith('loss_')}
    assert {'loss_cls', 'loss_bbox', 'loss_dfl'} <= losses
    assert ('loss_mask' in losses) == (kind == 'outlines')
