"""Preparing configs for several processes without starting any."""

import argparse

import pytest
import torch
from mmengine.config import Config
from torch import distributed

from expalign.engine.launch import add_run_arguments, prepare_distributed


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
