"""The launchers' command lines, checked without starting what they launch."""

import os
import subprocess
from pathlib import Path

import pytest


def run(command: list[str], **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, check=False)


@pytest.fixture
def printer(tmp_path) -> Path:
    """A program ``srun`` that prints its arguments, one a line."""
    program = tmp_path / 'srun'
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho "port ${MASTER_PORT-none}" >&2\n')
    program.chmod(0o755)
    return program


def test_every_script_parses_and_is_executable(repo_root):
    scripts = [*repo_root.glob('tools/*.sh'), repo_root / '.ci' / 'run']
    assert len(scripts) == 5
    for script in scripts:
        assert os.access(script, os.X_OK), script
    result = run(['bash', '-c', 'for script; do bash -n "$script"; done', '-', *map(str, scripts)])
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(('script', 'arguments', 'tail'), [
    ('dist_train.sh', ['cfg.py', '8', '--amp', '--cfg-options', 'a="[1,2]"'],
     ['--nproc_per_node=8', 'tools/train.py', 'cfg.py', '--launcher', 'pytorch', '--amp',
      '--cfg-options', 'a="[1,2]"']),
    ('dist_test.sh', ['cfg.py', 'a b.pth', '4', '--tta'],
     ['--nproc_per_node=4', 'tools/test.py', 'cfg.py', 'a b.pth', '--launcher', 'pytorch',
      '--tta']),
])
def test_torchrun_command(printer, script, arguments, tail):
    result = run(
        [f'tools/{script}', *arguments], PYTHON=str(printer), NNODES='2', NODE_RANK='1',
        MASTER_ADDR='10.0.0.1', PORT='1234')
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        '-m', 'torch.distributed.run', '--nnodes=2', '--node_rank=1', '--master_addr=10.0.0.1',
        '--master_port=1234', *tail]


@pytest.mark.parametrize(('script', 'tail'), [
    ('slurm_train.sh', ['tools/train.py', 'cfg.py', '--work-dir', 'last', '--launcher', 'slurm']),
    ('slurm_test.sh', ['tools/test.py', 'cfg.py', 'last', '--launcher', 'slurm']),
])
def test_srun_command(printer, script, tail):
    result = run(
        [f'tools/{script}', 'gpus', 'a job', 'cfg.py', 'last', '--cfg-options', 'a=1'],
        PATH=f'{printer.parent}:{os.environ["PATH"]}', GPUS='16', SRUN_ARGS='--quiet -x node1',
        PYTHON='python', PORT='1234')
    assert result.returncode == 0, result.stderr
    assert result.stderr == 'port 1234\n'
    assert result.stdout.splitlines() == [
        '-p', 'gpus', '--job-name=a job', '--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8',
        '--cpus-per-task=5', '--kill-on-bad-exit=1', '--quiet', '-x', 'node1', 'python', '-u',
        *tail, '--cfg-options', 'a=1']


@pytest.mark.parametrize(('gpus', 'asked'), [
    (None, ['--gres=gpu:8', '--ntasks=8', '--ntasks-per-node=8']),
    ('4', ['--gres=gpu:4', '--ntasks=4', '--ntasks-per-node=4']),
    ('64', ['--gres=gpu:8', '--ntasks=64', '--ntasks-per-node=8']),
])
def test_srun_asks_for_whole_nodes_or_less(printer, gpus, asked):
    env = dict(GPUS=gpus) if gpus else {}
    result = run(
        ['tools/slurm_train.sh', 'gpus', 'job', 'cfg.py', 'work'],
        PATH=f'{printer.parent}:{os.environ["PATH"]}', PYTHON='python', **env)
    assert result.stdout.splitlines()[3:6] == asked
    assert result.stderr == 'port 29500\n'


def test_one_machine_needs_no_settings(printer):
    result = run(['tools/dist_train.sh', 'cfg.py', '8'], PYTHON=str(printer))
    assert result.stdout.splitlines()[2:6] == [
        '--nnodes=1', '--node_rank=0', '--master_addr=127.0.0.1', '--master_port=29500']


def test_missing_arguments_print_the_usage():
    result = run(['tools/dist_train.sh', 'cfg.py'])
    assert result.returncode == 2
    assert 'tools/dist_train.sh CONFIG PROCESSES_PER_NODE [options of tools/train.py]' in (
        result.stderr)
