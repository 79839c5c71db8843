"""Running a function in forked processes of the test, which need not import anything again."""

import multiprocessing
import os
import socket
import time
from collections.abc import Callable

import torch
from torch import distributed

TIMEOUT = 240


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def fork(function: Callable, *arguments) -> int:
    """Call a function in a forked process; its exit code, negative for a signal."""
    context = multiprocessing.get_context('fork')
    process = context.Process(target=_child, args=(function, *arguments))
    process.start()
    return _exit_codes([process])[0]


def fork_group(function: Callable, world_size: int, *arguments) -> list[int]:
    """Call ``function(rank, *arguments)`` in processes of one gloo group; their exit codes."""
    port = free_port()
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=_member, args=(function, rank, world_size, port, arguments))
        for rank in range(world_size)]
    for process in processes:
        process.start()
    return _exit_codes(processes)


def _exit_codes(processes: list) -> list[int]:
    """Wait for processes; those that take longer than :data:`TIMEOUT` seconds are killed."""
    end = time.monotonic() + TIMEOUT
    for process in processes:
        process.join(max(0, end - time.monotonic()))
    for process in processes:
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


def _child(function: Callable, *arguments) -> None:
    torch.set_num_threads(1)
    function(*arguments)


def _member(function: Callable, rank: int, world_size: int, port: int, arguments: tuple) -> None:
    torch.set_num_threads(1)  # threads of the parent are not there to wait for
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world_size),
        MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    distributed.init_process_group('gloo', rank=rank, world_size=world_size)
    function(rank, *arguments)
    distributed.destroy_process_group()
