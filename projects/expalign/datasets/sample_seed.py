"""One source of randomness for a sample: its seed, its epoch and its index, nothing else.

The transforms of mmcv, mmdet and mmyolo, like ours, draw from the global generators of ``random``
and numpy. mmengine seeds those once a worker process, so that a sample depends on the number of
workers and on all samples that its worker has loaded before.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dataset import ClassBalancedDataset, RepeatDataset

# The block that seeds, where there is one: data sets inside a seeded wrapper leave it alone.
_seeded = False


@contextmanager
def seeded_generators(*entropy: int) -> Iterator[None]:
    """Seed the global generators (``random``, numpy, torch on the CPU) for a block.

    Their states are restored after it. Inside another such block it does nothing.

    Args:
        entropy: numbers of 0 or more; any two different tuples give unrelated draws.
    """
    global _seeded
    if _seeded:
        yield
        return
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    words = np.random.SeedSequence(entropy).generate_state(6)
    _seeded = True
    try:
        np.random.seed(words[:4])
        random.seed(words.tobytes())
        # Of the CPU alone: torch.manual_seed would also reach for the GPU, in a worker.
        torch.default_generator.manual_seed(int(words[4]))
        yield
    finally:
        _seeded = False
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])


class SharedNumbers:
    """Whole numbers in memory that worker processes share; a copy has memory of its own."""

    def __init__(self, *numbers: int) -> None:
        self._values = torch.tensor(numbers, dtype=torch.int64).share_memory_()

    def tolist(self) -> list[int]:
        """The numbers."""
        return self._values.tolist()

    def set(self, *numbers: int) -> None:
        """Replace them, for all processes."""
        self._values.copy_(torch.tensor(numbers))

    def __deepcopy__(self, memo: dict) -> 'SharedNumbers':
        # Tensors are copied to memory that is not shared, and mmengine copies data sets.
        return type(self)(*self.tolist())


class SeededSamples:
    """Mixin of mmengine's data sets: a sample is a function of (seed, epoch, index).

    It does not depend on the number of workers, on the rank, on the samples loaded before, nor on
    whether a run was resumed. All draws of a sample count: of the pipeline, of mosaic's choice of
    further images and of the image that takes the place of a dropped one.

    List it before the class of mmengine or mmdet. On a wrapper (a mixture, :class:`RepeatDataset
    <expalign.datasets.RepeatDataset>`) the index is the wrapper's, and seeding inside it is off.

    Seed and epoch are in shared memory, so that workers that stay alive see a new epoch.
    """

    def __init__(self, *args, **kwargs) -> None:
        self._seed_and_epoch = SharedNumbers(0, 0)
        super().__init__(*args, **kwargs)

    def set_epoch(self, epoch: int, seed: int = 0) -> None:
        """Set what further samples are drawn from; both are 0 before."""
        self._seed_and_epoch.set(seed, epoch)

    def __getitem__(self, index: int) -> dict:
        """Sample ``index`` of the current epoch."""
        with seeded_generators(*self._seed_and_epoch.tolist(), int(index) % max(len(self), 1)):
            return super().__getitem__(index)


def set_epoch(dataset, epoch: int, seed: int = 0) -> int:
    """:meth:`SeededSamples.set_epoch` of a data set and of all that it wraps.

    Returns:
        The number of data sets in it that are :class:`SeededSamples`.

    Raises:
        TypeError: a wrapper that repeats samples within an epoch without seeding them: the
            repetitions would be equal, transforms and all.
    """
    seeded = isinstance(dataset, SeededSamples)
    if seeded:
        dataset.set_epoch(epoch, seed)
    # mmengine's ConcatDataset has `datasets`, its other wrappers `dataset`.
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    count = seeded + sum(set_epoch(child, epoch, seed) for child in inner if child is not None)
    if count and not seeded and isinstance(dataset, RepeatDataset | ClassBalancedDataset):
        name = type(dataset).__name__
        raise TypeError(
            f"{name} would give the same random transforms to every repetition of an image: use "
            f"'expalign.{name}'")
    return count
