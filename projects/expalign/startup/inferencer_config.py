"""Makes mmengine's inferencers read the config of a checkpoint that is given alone as data.

mmengine runs that config's text, and builds whatever types it names. Every inferencer on top of it
(mmdet's ``DetInferencer`` among them) gets its config in one method, which is wrapped.
"""

import functools
from types import ModuleType
from typing import Any

MODULE = 'mmengine.infer.infer'


def change(module: ModuleType) -> None:
    """Change mmengine's module, when it is imported or after."""
    build = module.BaseInferencer._init_model
    if getattr(build, 'reads_data', False):
        return

    @functools.wraps(build)
    def init_model(self: Any, cfg: Any, weights: str | None, device: str = 'cpu') -> Any:
        if not cfg:
            _read_as_data(cfg, weights)
        return build(self, cfg, weights, device)

    init_model.reads_data = True
    module.BaseInferencer._init_model = init_model


def _read_as_data(cfg: Any, weights: str) -> None:
    """Fill an empty config from a checkpoint; where checkpoints are trusted mmengine does it."""
    from expalign.checkpoints.trust import checkpoints_are_trusted
    if checkpoints_are_trusted():
        return
    from mmengine.dataset import BaseDataset

    from expalign.checkpoints.embedded_config import config_of_checkpoint
    cfg.update(config_of_checkpoint(weights)._cfg_dict)
    # mmdet builds the data set, without reading it, for its palette.
    cfg.test_dataloader.dataset.type = BaseDataset
