"""A hook for tests: every process of a run writes its weights to the work folder."""

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module()
class WeightDumpHook(Hook):
    """Writes ``weights_rank{r}.pth``: the trained parameters and the number of processes."""

    def after_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        torch.save(
            dict(
                world_size=runner.world_size,
                wrapper=type(runner.model).__name__,
                parameters={name: value.detach() for name, value in model.named_parameters()
                            if value.requires_grad}),
            f'{runner.work_dir}/weights_rank{get_rank()}.pth')
