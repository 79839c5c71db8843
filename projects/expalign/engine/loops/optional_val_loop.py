"""Validation of a recipe whose training needs no validation data."""

import logging
import os

from mmengine.fileio import exists, join_path
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, ValLoop
from torch.utils.data import DataLoader

from expalign.registry import LOOPS


@LOOPS.register_module()
class OptionalValLoop(ValLoop):
    """mmengine's ``ValLoop``, left out where the annotation file of its data does not exist.

    The recipes watch their training on a set that is none of theirs (COCO val2017). Who does not
    have it trains without being told more than once.

    Args:
        runner, dataloader, evaluator, kwargs: of the parent.
    """

    def __init__(self, runner, dataloader, evaluator, **kwargs) -> None:
        missing = missing_annotations(dataloader)
        self.left_out = missing is not None
        if not self.left_out:
            super().__init__(runner, dataloader, evaluator, **kwargs)
            return
        BaseLoop.__init__(self, runner, DataLoader([]))
        self.evaluator = None
        print_log(f"no validation: '{missing}' (from the folder {os.getcwd()}) does not exist",
                  'current', logging.WARNING)

    def run(self) -> dict:
        """Validate, where there is data."""
        return {} if self.left_out else super().run()


def missing_annotations(dataloader) -> str | None:
    """The annotation file of a dataloader's config, where it is named and does not exist."""
    if not isinstance(dataloader, dict):
        return None
    dataset = dataloader['dataset']
    path = dataset.get('ann_file', '') if isinstance(dataset, dict) else ''
    if not path:
        return None
    path = join_path(dataset.get('data_root') or '', path)
    return None if exists(path, backend_args=dataset.get('backend_args')) else path
