"""mmengine's runner, for data of any size and for runs that are interrupted."""

import logging
import os
from collections.abc import Callable
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.dist import broadcast_object_list, get_world_size, is_main_process
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from expalign.checkpoints.newest_checkpoint import NothingToResume, flipped_part, newest_checkpoint

from .resumed_groups import fit_groups
from .resumed_schedule import fit_to_run, try_schedules
from .resumed_state import check_modes, check_optimizer_state, check_schedules

AUTO = 'auto'


class TrainingRunner(Runner):
    """mmengine's ``Runner`` with these differences.

    - ``resume='auto'``: go on from the newest whole checkpoint of the work folder
      (:func:`~expalign.checkpoints.newest_checkpoint.newest_checkpoint`); where there has been
      none, start from ``load_from``. ``resume=True`` without ``load_from`` is the same.
    - A checkpoint is resumed at its epoch, whatever the number of iterations an epoch had
      (:func:`~expalign.engine.resumed_schedule.fit_to_run`).
    - A checkpoint whose bits have changed on disk is refused.
    - A data set of fewer images than a batch is trained on in smaller batches, with a warning.

    Args:
        args, kwargs: of the parent.

    Raises:
        NothingToResume: the work folder has only damaged checkpoints.
        ValueError: see above, and: the data set has no image.
    """

    _resumed_from: str | None = None

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """See the parent; with ``drop_last`` a batch is never larger than an epoch."""
        loader = Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        if isinstance(dataloader, DataLoader) or isinstance(
                loader.sampler, InfiniteSampler) or len(loader):
            return loader
        size, count = dataloader.get('batch_size'), len(loader.sampler)
        share = f' ({count} for each of {get_world_size()} processes)' * (get_world_size() > 1)
        found = (f'batch_size {size} with drop_last=True, and {len(loader.dataset)} images{share}: '
                 'an epoch would have no batch')
        if not count or dataloader.get('batch_sampler') is not None:
            raise ValueError(f'{found}. Use more images, or a smaller batch_size of the dataloader')
        print_log(f'{found}. Batches have {count} images instead; the learning rate stays',
                  'current', logging.WARNING)
        return Runner.build_dataloader({**dataloader, 'batch_size': count}, seed, diff_rank_seed)

    def dump_config(self) -> None:
        """mmengine's, but for a config in the work folder itself: it is what was read."""
        source = self.cfg.filename
        target = os.path.join(self.work_dir, os.path.basename(source or ''))
        if source is None or not os.path.isfile(target) or not os.path.samefile(source, target):
            super().dump_config()

    def load_or_resume(self) -> None:
        """Load or resume what the config asks for, once."""
        if not self._has_loaded and self._resume and (
                self._resume == AUTO or self._load_from is None):
            found = self._newest()
            self._resume = found is not None
            if found is not None:
                self._load_from = found
                self.logger.info(f'resuming from {found}')
            else:
                start = (f'starting from the weights of {self._load_from}' if self._load_from
                         else 'starting from the weights that the config gives')
                self.logger.info(f'nothing to resume in {self.work_dir}: {start}')
        super().load_or_resume()

    def _newest(self) -> str | None:
        """What process 0 finds, for all processes."""
        found: list[Any] = [None]
        if is_main_process():
            try:
                found[0] = newest_checkpoint(self.work_dir)
            except NothingToResume as error:
                found[0] = error
        broadcast_object_list(found)
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    def resume(self, filename: str, *args, **kwargs) -> None:
        """See the parent.

        Raises:
            ValueError: the file holds no state of such a training; the message has its name.
        """
        self._resumed_from = filename
        try:
            super().resume(filename, *args, **kwargs)
            check_optimizer_state(self.optim_wrapper)
            try_schedules(self.param_schedulers, getattr(self.optim_wrapper, 'param_groups', ()))
            self._say_what_is_left(filename)
        # Whatever mmengine, torch and hooks make of a state that is not as they wrote it.
        except (KeyError, TypeError, ValueError, AttributeError, AssertionError, IndexError,
                ArithmeticError) as error:
            if str(filename) in str(error):
                raise
            raise ValueError(f'{filename} holds no training that this run can go on from: '
                             f'{type(error).__name__}: {error}') from error
        finally:
            self._resumed_from = None

    def _say_what_is_left(self, filename: str) -> None:
        """Warn where the training is over before it goes on."""
        done, end, unit = self.epoch, self.max_epochs, 'epochs'
        if isinstance(self.train_loop, IterBasedTrainLoop):
            done, end, unit = self.iter, self.max_iters, 'iterations'
        if done >= end > 0:
            self.logger.warning(
                f'{filename} has had {done} {unit}, and the training ends after {end}: there is '
                'nothing left to train. To train longer, raise the number in train_cfg')

    def load_checkpoint(self, filename: str, map_location: str | Callable = 'cpu', *args,
                        **kwargs) -> dict:
        """See the parent.

        Raises:
            ValueError: a part of the file does not have the sum that was written with it.
        """
        part = flipped_part(filename)
        if part is not None:
            raise ValueError(
                f'checkpoint {filename} is damaged: its part {part} is not what was written (bits '
                'have changed on disk or in transfer). Copy it again, or use another')
        try:
            checkpoint = super().load_checkpoint(filename, map_location, *args, **kwargs)
        except RuntimeError as error:  # of another model, or of another frozen encoder
            if str(filename) in str(error):
                raise
            raise type(error)(f'checkpoint {filename}: {error}') from error
        if self._resumed_from is not None:
            check_modes(checkpoint)
            fit_groups(checkpoint, self.optim_wrapper, self.model)
            check_schedules(self.param_schedulers, checkpoint)
            fit_to_run(self, checkpoint, filename)
        return checkpoint
