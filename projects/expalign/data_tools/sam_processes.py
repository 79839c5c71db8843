"""Mask generation by several processes of one machine."""

import multiprocessing
from dataclasses import dataclass

from expalign.utils import unwinding_at_termination

from .sam_generate import Job, run_shard


@dataclass(frozen=True)
class Machine:
    """What a process runs on.

    Args:
        device: torch device; ``'cuda'`` gives process i the GPU i modulo their number.
        images_per_batch: images that go through the encoder together.
        boxes_per_batch: boxes of an image that go through the mask decoder together.
    """

    device: str = 'cpu'
    images_per_batch: int = 4
    boxes_per_batch: int = 64


def run_process(job: Job, machine: Machine, shard: int, num_shards: int) -> None:
    """Do one shard in this process and print what was done."""
    import torch

    from .sam_masks import Sam2Masks
    device = machine.device
    if device == 'cuda':
        device = f'cuda:{shard % torch.cuda.device_count()}'
    masks = Sam2Masks(job.model, device, machine.boxes_per_batch)
    tally = run_shard(job, masks, shard, num_shards, machine.images_per_batch)
    print(tally.report(f'shard {shard}/{num_shards}'))


def run_processes(job: Job, machine: Machine, number: int) -> None:
    """Do all shards, one process each, or one shard in this process if ``number`` is 1.

    Raises:
        RuntimeError: a process failed; its own error is on the error stream.
    """
    if number == 1:
        run_process(job, machine, 0, 1)
        return
    context = multiprocessing.get_context('spawn')  # CUDA does not survive a fork
    workers = [context.Process(target=run_process, args=(job, machine, i, number))
               for i in range(number)]
    with unwinding_at_termination():
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:  # nobody goes on where this process is ended
            for worker in workers:
                if worker.is_alive():
                    worker.terminate()
                    worker.join()
    failed = [i for i, worker in enumerate(workers) if worker.exitcode]
    if failed:
        raise RuntimeError(f'processes {failed} of {number} failed; what was finished is kept: '
                           'run the same command again to go on')
