"""A hostile checkpoint that is resumed removes nothing but best checkpoints of the run itself."""

from itertools import count
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from expalign.engine.resumed_files import forget_what_is_no_number, is_best_checkpoint
from tests.helpers.line import Line, Numbers

NUMBERS = count()  # runs of one name share their message hub
METRICS = {'coco/bbox_mAP': 0.5, 'coco/segm_mAP': 0.4}


def resume(folder: Path, kind: str, info: dict, best: str | list[str] = 'coco/bbox_mAP') -> Runner:
    """A runner that resumed a checkpoint whose message hub says ``info``, validated once."""
    path = folder / 'hostile.pth'
    torch.save(dict(
        meta=dict(epoch=1, iter=2, seed=0), state_dict=Line().state_dict(),
        message_hub=dict(log_scalars={}, runtime_info=info,
                         resumed_keys=dict.fromkeys(info, True))), path)
    runner = Runner(
        Line(), str(folder / 'work'), train_dataloader=dict(
            dataset=Numbers(), batch_size=1, sampler=dict(type='DefaultSampler')),
        train_cfg=dict(by_epoch=True, max_epochs=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), load_from=str(path), resume=True,
        default_hooks=dict(logger=None, checkpoint=dict(
            type=kind, save_best=best, rule='greater', max_keep_ckpts=1)),
        randomness=dict(seed=0), log_level='WARNING',
        experiment_name=f'resumed_files_{next(NUMBERS)}')
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.load_or_resume()
    runner.call_hook('before_train')
    runner.call_hook('after_val_epoch', metrics=dict(METRICS))
    return runner


KINDS = ('expalign.PlainCheckpointHook', 'mmengine.CheckpointHook')


@pytest.mark.parametrize('kind', KINDS)
def test_only_the_runs_own_best_checkpoint_is_replaced(tmp_path, kind):
    work = tmp_path / 'work'
    precious = tmp_path / 'precious'
    others = [precious, work / 'best_folder', work / 'sub' / 'best_a_epoch_1.pth',
              tmp_path / 'best_a_epoch_1.pth', work / 'epoch_1.pth', work / 'log.txt']
    for folder in (precious, work / 'best_folder', work / 'sub'):
        folder.mkdir(parents=True)
    for path in others[2:]:
        path.write_text('mine')
    (work / 'out').symlink_to(tmp_path)
    named = [*map(str, others), str(work), '', '.', 5, [str(precious)], None, '\0',
             f'{work}/../precious', f'{work}/out/best_a_epoch_1.pth']
    for path in named:
        resume(tmp_path, kind, dict(best_ckpt=path, best_score=0.1))
        assert all(other.exists() for other in others), path
        (work / 'best_coco_bbox_mAP_epoch_1.pth').unlink()
    own = work / 'best_coco_bbox_mAP_epoch_7.pth'
    own.write_text('old')
    resume(tmp_path, kind, dict(best_ckpt=f'{work}/../work/{own.name}', best_score=0.1))
    assert not own.exists() and all(other.exists() for other in others)
    assert (work / 'best_coco_bbox_mAP_epoch_1.pth').is_file()


def test_several_best_checkpoints(tmp_path):
    own = tmp_path / 'work' / 'best_coco_segm_mAP_epoch_7.pth'
    own.parent.mkdir()
    own.write_text('old')
    (tmp_path / 'precious').mkdir()
    runner = resume(
        tmp_path, KINDS[0], {'best_ckpt_coco/bbox_mAP': str(tmp_path / 'precious'),
                             'best_ckpt_coco/segm_mAP': str(own)}, list(METRICS))
    assert (tmp_path / 'precious').is_dir() and not own.exists()
    assert runner.message_hub.get_info('best_ckpt_coco/bbox_mAP') == str(
        own.with_name('best_coco_bbox_mAP_epoch_1.pth'))


@pytest.mark.parametrize('kind', KINDS)
def test_numbers_of_checkpoints_are_numbers(tmp_path, kind):
    victim = tmp_path / 'epoch_x.pth'
    victim.write_text('mine')
    for steps in (['x', '/../../epoch_x', 3, -1, True, 1.5, None], 'abc', {1: 2}, 7, None):
        info = dict(keep_ckpt_ids=steps, best_score='high')
        runner = resume(tmp_path, kind, info)
        assert victim.exists()
        assert runner.message_hub.get_info('keep_ckpt_ids') == (
            [3] if isinstance(steps, list) else [])
        assert runner.message_hub.get_info('best_score') == 0.5


def test_plain_rules(tmp_path):
    assert is_best_checkpoint(f'{tmp_path}/best_x.pth', str(tmp_path))
    assert is_best_checkpoint('s3://bucket/run/best_x.pth', 's3://bucket/run/')
    assert not is_best_checkpoint('s3://bucket/best_x.pth', 's3://bucket/run')
    info = dict(best_score=1, best_score_a=0.5, best_score_b='1', best_score_c=None, other='x')
    forget_what_is_no_number(info)
    assert info == dict(best_score=1, best_score_a=0.5, other='x')
