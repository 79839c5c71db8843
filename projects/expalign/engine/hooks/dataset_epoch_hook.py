"""Tells the training data which epoch it is."""

import logging

from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, Runner

from expalign.datasets.sample_seed import set_epoch
from expalign.registry import HOOKS


@HOOKS.register_module()
class DatasetEpochHook(Hook):
    """Sets seed and epoch of :class:`~expalign.datasets.sample_seed.SeededSamples`.

    They are set before each epoch, through all wrappers. The seed is the run's (``randomness``
    in the config), that of rank 0 for all; a resumed run has the one of its checkpoint.

    Raises:
        TypeError: the loop counts iterations alone, so that each pass would have the samples of
            the first, or a wrapper repeats samples (see :func:`set_epoch`).
    """

    def before_train(self, runner: Runner) -> None:
        """Agree on the seed."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise TypeError(
                f'{type(runner.train_loop).__name__} does not tell its epochs to the data set: '
                'every pass would have the random transforms of the first. Use '
                'mmengine.EpochBasedTrainLoop, or set default_hooks.dataset_epoch=None')
        seed = [runner.seed]
        broadcast_object_list(seed)
        self.seed = seed[0]

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch; workers load the first sample of it afterwards."""
        dataset = runner.train_dataloader.dataset
        if not set_epoch(dataset, runner.epoch, self.seed) and runner.epoch == 0:
            print_log(
                f'the samples of {type(dataset).__name__} depend on the number of workers: it is '
                'not one of the seeded data sets (expalign.datasets.sample_seed)',
                'current', logging.WARNING)
