"""Looks at all image files before a run."""

import logging

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner

from expalign.datasets.bad_samples import MAX_LISTED, BadImage
from expalign.datasets.image_ends import image_faults, image_paths
from expalign.registry import HOOKS


@HOOKS.register_module()
class ImageFilesHook(Hook):
    """Names images that are missing or lack their end before a run instead of in the middle of it.

    Validation and testing stop at them. Training warns, as it skips up to ``max_bad_images`` of its
    data set, and stops where there are more. The look is a cheap one, at the ends of files;
    ``tools/check_dataset.py`` decodes every image.

    Args:
        seconds: how long it may take for each data set; the rest of a larger one is not looked at.

    Raises:
        BadImage: before the run; the message lists the files.
    """

    def __init__(self, seconds: float = 60) -> None:
        self.seconds = seconds

    def before_run(self, runner: Runner) -> None:
        """Look at the data of the loops of this run."""
        if not is_main_process():
            return
        for name in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{name}_loop')
            if isinstance(loop, BaseLoop):
                self._check(name, loop.dataloader.dataset)

    def _check(self, name: str, dataset) -> None:
        looked, faults = 0, {}
        for path, fault in image_faults(image_paths(dataset), self.seconds):
            looked += 1
            if fault is not None:
                faults[path] = fault
        if not faults:
            return
        first = list(faults.items())[:MAX_LISTED]
        listed = ''.join(f'\n  {path}: {fault}' for path, fault in first)
        more = f'\n  and {len(faults) - MAX_LISTED} more' if len(faults) > MAX_LISTED else ''
        message = (f'{len(faults)} of {looked} images of the {name} data cannot be used. Replace '
                   'these files, or remove them from the annotation file (check_dataset.py '
                   f'--fix-to):{listed}{more}')
        allowed = getattr(dataset, 'max_bad_images', 0) if name == 'train' else 0
        if len(faults) > allowed or len(faults) == looked:
            raise BadImage(message)
        print_log(f"{message}\nThey are skipped ('max_bad_images'={allowed})", 'current',
                  logging.WARNING)
