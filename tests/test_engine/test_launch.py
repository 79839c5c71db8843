"""Preparing configs for several processes without starting any."""

import argparse

import pytest
import torch
from mmengine.config import Config
from mmengine.model import convert_sync_batchnorm
from torch import distributed, nn

from expalign.apis.run_arguments import add_run_arguments
from expalign.engine.launch import (
    prepare_distributed,
    run_lock_of,
    use_mixed_precision,
)
from expalign.registry import MODELS
from expalign.utils.run_lock import LOCK_NAME
from tests.helpers.models import tiny_detector_config


@pytest.fixture
def cpu(monkeypatch):
    """A machine without CUDA; yields the arguments that process groups are made with."""
    calls = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(
        distributed, 'init_process_group', lambda *args, **kwargs: calls.append((args, kwargs)))
    monkeypatch.setenv('LOCAL_RANK', '0')
    return calls


def test_one_process_changes_nothing_but_the_launcher(cpu):
    cfg = Config(dict(sync_bn='torch'))
    prepare_distributed(cfg, 'none')
    assert cfg.to_dict() == dict(sync_bn='torch', launcher='none')
    assert not cpu


def test_processes_on_cpu_use_gloo_and_no_device(cpu):
    cfg = Config(dict(
        sync_bn='torch', find_unused_parameters=True, env_cfg=dict(dist_cfg=dict(timeout=7)),
        model_wrapper_cfg=dict(type='MMDistributedDataParallel', static_graph=True)))
    prepare_distributed(cfg, 'pytorch')
    (args, kwargs), = cpu
    assert args == ('gloo',)
    assert kwargs['timeout'].total_seconds() == 7
    assert cfg.sync_bn is None
    assert cfg.model_wrapper_cfg.to_dict() == dict(
        type='MMDistributedDataParallel', broadcast_buffers=False, find_unused_parameters=True,
        static_graph=True, device_ids=None)


@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_cluster_launchers_need_cuda(cpu, launcher):
    with pytest.raises(RuntimeError, match=f'--launcher {launcher} needs CUDA.*dist_train.sh'):
        prepare_distributed(Config({}), launcher)


def test_with_cuda_the_runner_does_it(cpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg = Config({})
    prepare_distributed(cfg, 'pytorch')
    assert cfg.to_dict() == dict(launcher='pytorch')
    assert not cpu


def test_arguments_have_openmmlab_names():
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    args = parser.parse_args([
        '--work-dir', 'w', '--launcher', 'pytorch', '--local-rank', '1',
        '--cfg-options', 'a.b=2', 'c="[(1,2),3]"'])
    assert args.cfg_options == {'a.b': 2, 'c': [(1, 2), 3]}
    assert (args.work_dir, args.launcher, args.local_rank) == ('w', 'pytorch', 1)


@pytest.mark.parametrize('cuda', [True, False])
def test_batch_norm_is_synchronised_on_cuda_alone(cpu, monkeypatch, tmp_path, cuda):
    """What the runner makes of the shipped runtime settings after the launcher's decision."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    cfg = Config.fromfile('configs/_base_/default_runtime.py')
    prepare_distributed(cfg, 'pytorch')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    model = MODELS.build(tiny_detector_config(tmp_path))
    plain = [type(part) for part in model.modules()].count(nn.BatchNorm2d)
    if cfg.sync_bn is not None:
        model = convert_sync_batchnorm(model, cfg.sync_bn)
    kinds = [type(part) for part in model.modules()]
    expected = (0, plain) if cuda else (plain, 0)
    assert plain > 20
    assert (kinds.count(nn.BatchNorm2d), kinds.count(nn.SyncBatchNorm)) == expected


@pytest.mark.parametrize(('cuda', 'precision', 'expected'), [
    (False, 'auto', dict(type='expalign.BFloat16OptimWrapper')),
    (False, 'bf16', dict(type='expalign.BFloat16OptimWrapper')),
    (True, 'bf16', dict(type='expalign.BFloat16OptimWrapper')),
    (True, 'auto', dict(type='mmengine.AmpOptimWrapper', loss_scale='dynamic', dtype='float16')),
    (True, 'fp16', dict(type='mmengine.AmpOptimWrapper', loss_scale='dynamic', dtype='float16')),
])
@pytest.mark.parametrize('before', [
    {}, dict(type='mmengine.OptimWrapper'), dict(type='AmpOptimWrapper', loss_scale=512.0)])
def test_mixed_precision_keeps_other_settings(monkeypatch, before, cuda, precision, expected):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    rest = dict(constructor='c', clip_grad=dict(max_norm=10.0), optimizer=dict(type='AdamW'))
    cfg = Config(dict(optim_wrapper=dict(before, **rest)))
    use_mixed_precision(cfg, precision)
    assert cfg.optim_wrapper.to_dict() == dict(rest, **expected)


@pytest.mark.parametrize(('wrapper', 'precision', 'message'), [
    ({}, 'fp16', '--amp fp16 needs CUDA.*use --amp bf16'),
    (dict(type='mmengine.ApexOptimWrapper'), 'bf16',
     r"--amp cannot replace optim_wrapper\.type='mmengine\.ApexOptimWrapper'"),
])
def test_mixed_precision_that_cannot_be(cpu, wrapper, precision, message):
    with pytest.raises(ValueError, match=message):
        use_mixed_precision(Config(dict(optim_wrapper=wrapper)), precision)


@pytest.mark.parametrize(('launcher', 'variable'), [
    ('none', None), ('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'),
    ('mpi', 'OMPI_COMM_WORLD_RANK')])
def test_the_process_of_rank_0_holds_the_lock(monkeypatch, tmp_path, launcher, variable):
    cfg = Config(dict(work_dir=str(tmp_path / 'run')))
    for rank in ('0', '1') if variable else ('0',):
        if variable:
            monkeypatch.setenv(variable, rank)
        with run_lock_of(cfg, launcher):
            assert (tmp_path / 'run' / LOCK_NAME).exists() == (rank == '0')
