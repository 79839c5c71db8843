"""What the workers of a machine run on, and how, where nobody says it."""

import os

CORES = 2  # of a processor for each worker
MOST = 16  # workers of a processor
READERS = 4, 16  # threads that read for one worker on a processor and, at most, on a GPU
BATCH = 2, 16  # images of a forward pass on a processor, and on a GPU


def plan_devices(device: str | None, workers: int | None) -> tuple[list[str], int, int]:
    """Devices of the workers, threads of the model and threads that read, of each.

    Args:
        device: of all workers; None: every GPU in turn, else the processor.
        workers: how many; None: one a GPU, or one for every two cores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    cores = cores or 1
    gpus = _gpus() if device is None else []
    if not gpus and device in (None, 'cpu'):
        count = workers or min(MOST, max(1, cores // CORES))
        return ['cpu'] * count, max(1, cores // count), READERS[0]
    names = gpus or [str(device)]
    count = workers or len(names)
    return ([names[number % len(names)] for number in range(count)], 1,
            max(READERS[0], min(READERS[1], cores // count)))


def batch_for(device: str) -> int:
    """Images of a forward pass: on a processor larger batches leave its caches."""
    return BATCH[device != 'cpu']


def _gpus() -> list[str]:
    import torch
    return [f'cuda:{number}' for number in range(torch.cuda.device_count())]
