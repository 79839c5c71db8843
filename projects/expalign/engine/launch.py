"""Starting a run: builders, locks, and process groups without a GPU."""

import datetime
import os
from contextlib import AbstractContextManager, nullcontext

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import distributed

from expalign.utils.run_lock import run_lock

from .training_runner import TrainingRunner

RANK_VARIABLES = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')


def prepare_distributed(cfg: Config, launcher: str, local_rank: int = 0) -> None:
    """Make ``cfg`` ready for ``Runner.from_cfg`` in every process of the launcher.

    With CUDA the runner does it all. Without it, mmengine would select a CUDA device for the
    process and for the wrapper of the model, and both fail; so the gloo process group is made
    here (the runner accepts one that exists), the wrapper gets no device, and batch
    normalisation stays local, as its synchronised form refuses CPU tensors.

    Raises:
        RuntimeError: a launcher other than ``pytorch`` on a machine without CUDA.
    """
    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    cfg.launcher = launcher
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher != 'pytorch':
        raise RuntimeError(
            f'--launcher {launcher} needs CUDA, and none is available; '
            'on CPU start the processes with tools/dist_train.sh or tools/dist_test.sh')
    timeout = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout', 1800)
    distributed.init_process_group('gloo', timeout=datetime.timedelta(seconds=timeout))
    wrapper = dict(
        type='MMDistributedDataParallel', broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False))
    wrapper.update(cfg.get('model_wrapper_cfg') or {})
    cfg.model_wrapper_cfg = {**wrapper, 'device_ids': None}
    cfg.sync_bn = None


def use_mixed_precision(cfg: Config, precision: str = 'auto') -> None:
    """Train in mixed precision: exchange the optimizer wrapper of ``cfg``, keep its settings.

    Args:
        cfg: a config with an ``optim_wrapper`` of mmengine's plain type or none.
        precision: ``'fp16'`` with dynamic loss scaling, ``'bf16'``, or ``'auto'``: fp16 with
            CUDA, bf16 without.

    Raises:
        ValueError: the config's wrapper is of another type, or ``'fp16'`` without CUDA.
    """
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if kind.removeprefix('mmengine.') not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f'--amp cannot replace optim_wrapper.type={kind!r} of the config')
    if precision == 'auto':
        precision = 'fp16' if torch.cuda.is_available() else 'bf16'
    if precision == 'fp16' and not torch.cuda.is_available():
        raise ValueError('--amp fp16 needs CUDA, and none is available; on a CPU use --amp bf16')
    for key in ('loss_scale', 'dtype'):
        wrapper.pop(key, None)
    if precision == 'bf16':
        wrapper.type = 'expalign.BFloat16OptimWrapper'
    else:
        wrapper.update(type='mmengine.AmpOptimWrapper', loss_scale='dynamic', dtype='float16')


def build_runner(cfg: Config) -> Runner:
    """The runner that the config asks for (``runner_type``), by default this project's."""
    return RUNNERS.build(cfg) if 'runner_type' in cfg else TrainingRunner.from_cfg(cfg)


def is_first_process(launcher: str) -> bool:
    """Whether this is the process of rank 0, before the processes know each other."""
    variable = RANK_VARIABLES.get(launcher)
    return variable is None or int(os.environ.get(variable, 0)) == 0


def run_lock_of(cfg: Config, launcher: str) -> AbstractContextManager:
    """The lock of the work folder in the process of rank 0, nothing in the others."""
    return run_lock(cfg.work_dir) if is_first_process(launcher) else nullcontext()
