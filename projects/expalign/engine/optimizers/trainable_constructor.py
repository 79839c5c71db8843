"""Optimizers over what is trained, and nothing else."""

from collections.abc import Iterable

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import Tensor, nn

from expalign.checkpoints.checkpoint import is_frozen
from expalign.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor without the parameters of frozen modules.

    The parent puts them into groups of the optimizer and warns about each; frozen encoders have
    hundreds.

    Weight decay is for matrices and kernels: parameters of one axis or none (biases, norms, layer
    and logit scales) have none. The parent's settings for that do not reach the parameters that a
    custom key gives a learning rate of their own.

    Parameters with the same settings are one group, where the parent makes a group of each: an
    optimizer takes its steps, and a schedule its rates, group by group.

    On a GPU, Adam and AdamW take their fused form unless the config says which (``fused``,
    ``foreach``): one operation for each parameter instead of a dozen, the same up to rounding.

    Args:
        optim_wrapper_cfg: as in the parent.
        paramwise_cfg: as in the parent.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        # Without any setting the parent would put all parameters into one group.
        super().__init__(optim_wrapper_cfg, {'flat_decay_mult': 0.0, **(paramwise_cfg or {})})

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """The optimizer wrapper of a model."""
        if takes_fused_form(self.optimizer_cfg, model.parameters()):
            self.optimizer_cfg = {**self.optimizer_cfg, 'fused': True}
        return super().__call__(model)

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', *args, **kwargs
    ) -> None:
        """Add the parameter groups of one module and its children."""
        if is_frozen(module):
            return
        super().add_params(params, module, prefix, *args, **kwargs)
        if not prefix:
            for group in params:
                (parameter,) = group['params']
                if parameter.ndim <= 1:
                    group['weight_decay'] = 0.0
            params[:] = merged(params)


def merged(groups: Iterable[dict]) -> list[dict]:
    """Groups with the same settings as one, in the order of their first parameters."""
    found: dict[tuple, dict] = {}
    for group in groups:
        settings = tuple(sorted((name, value) for name, value in group.items() if name != 'params'))
        if settings in found:
            found[settings]['params'].extend(group['params'])
        else:
            found[settings] = {**group, 'params': list(group['params'])}
    return list(found.values())


def takes_fused_form(optimizer_cfg: dict, parameters: Iterable[Tensor]) -> bool:
    """Whether an optimizer is Adam's, says nothing about its form, and trains on a GPU alone."""
    kind = str(optimizer_cfg.get('type')).rpartition('.')[2]
    return (kind in ('Adam', 'AdamW') and not {'fused', 'foreach'} & set(optimizer_cfg)
            and all(x.is_cuda for x in parameters if x.requires_grad))
