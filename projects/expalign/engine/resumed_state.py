"""Whether the state of optimizer and schedules in a checkpoint is one of this run.

Both are taken as they are by torch and mmengine, and what is wrong with them shows in the middle of
training, without the name of the file.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor

# Of the run, not of what it resumes.
MODES = ('amsgrad', 'capturable', 'centered', 'differentiable', 'maximize')
LARGEST = 2**53  # no number of steps, and no setting, is larger


def check_schedules(schedulers: Any, checkpoint: Mapping[str, Any]) -> None:
    """Compare the states of schedules with the schedules that take them.

    Args:
        schedulers: of the run: a list, or lists by name.
        checkpoint: ``param_schedulers`` is looked at, where it is there.

    Raises:
        ValueError: there is another number of them, or one has entries that a schedule has not.
    """
    states = checkpoint.get('param_schedulers')
    if states is None or not schedulers:
        return
    pairs = [(schedulers, states)]
    if isinstance(schedulers, Mapping):
        pairs = [(own, states[name]) for name, own in schedulers.items()]
    for own, given in pairs:
        if not isinstance(given, list):
            continue  # the run's schedules are brought to its iteration
        # Another number of them is of another recipe, which may note other things.
        same_recipe = len(given) == len(own)
        for scheduler, state in zip(own, given, strict=False):
            for name, value in state.items():
                if not _fits(vars(scheduler), name, value, same_recipe):
                    raise ValueError(f'its schedules have {name} = {str(value)[:100]}, which '
                                     f'{type(scheduler).__name__} has not')


def _fits(known: Mapping[str, Any], name: str, value: Any, must_be_known: bool) -> bool:
    if name not in known:
        return not must_be_known
    return _is_of_kind(value, known[name])


def _is_of_kind(value: Any, own: Any) -> bool:
    if isinstance(value, list) and isinstance(own, list):
        return len(value) == len(own) and all(map(_is_of_kind, value, own))
    if isinstance(own, int | float | None):
        return isinstance(value, int | float) or value is own is None
    return isinstance(value, type(own))


def check_modes(checkpoint: Mapping[str, Any]) -> None:
    """Look at the settings of a checkpoint's optimizer, which torch reads while it loads it.

    Raises:
        ValueError: a switch is neither true nor false, or a setting is several numbers or a number
            beyond all measure.
    """
    saved = checkpoint.get('optimizer')
    groups = saved.get('param_groups') if isinstance(saved, Mapping) else None
    for group in groups if isinstance(groups, list) else ():
        for name, value in group.items() if isinstance(group, Mapping) else ():
            several = isinstance(value, Tensor) and value.numel() != 1
            endless = isinstance(value, int) and abs(value) > LARGEST
            if several or endless or name in MODES and not isinstance(value, bool | None):
                raise ValueError(f'its optimizer has {name} = {str(value)[:100]}')


def check_optimizer_state(wrapper: OptimWrapper | OptimWrapperDict) -> None:
    """Compare the state that an optimizer took from a checkpoint with its weights and settings.

    Raises:
        ValueError: a setting is missing or of another kind, or what is noted of a weight is
            incomplete or of another shape.
    """
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    for each in wrappers:
        optimizer = each.optimizer
        for group in optimizer.param_groups:
            for name, default in optimizer.defaults.items():
                if name not in group or not _is_alike(group[name], default) or (
                        name in MODES and group[name] != default):
                    raise ValueError(f'its optimizer has {name} = {str(group.get(name))[:100]}')
        _check_notes(optimizer.state)


def _is_alike(value: Any, default: Any) -> bool:
    if default is None or isinstance(default, bool):
        return value is None or isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float) or isinstance(value, Tensor) and not value.dim()
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and len(value) == len(default) and all(
            map(_is_alike, value, default))
    return isinstance(value, type(default))


def _check_notes(states: Mapping[Tensor, Mapping[str, Any]]) -> None:
    """What is noted of one weight is noted of all, and in the shape of each."""
    for state in states.values():
        if not isinstance(state, Mapping):
            raise ValueError(f'its optimizer has a {type(state).__name__} as the state of a weight')
    noted = [(weight, state) for weight, state in states.items() if state]
    for name in {name for _, state in noted for name in state}:
        values = [state.get(name) for _, state in noted]
        tensors = any(isinstance(value, Tensor) for value in values)
        shaped = any(isinstance(value, Tensor) and value.dim() for value in values)
        for (weight, _), value in zip(noted, values, strict=True):
            if isinstance(value, Tensor) != tensors or not isinstance(
                    value, Tensor | int | float | None):
                raise ValueError(f'its optimizer has a {type(value).__name__} as {name}')
            if tensors and value.is_complex() != weight.is_complex():
                raise ValueError(f'its optimizer has {name} of {value.dtype}')
            if tensors and (value.shape if shaped else weight.shape) != weight.shape:
                raise ValueError(
                    f'its optimizer has {name} of shape {tuple(value.shape)} for a weight of '
                    f'shape {tuple(weight.shape)}')
            if name == 'step' and value is not None and not shaped and not (
                    0 <= float(value) <= LARGEST):
                raise ValueError(f'its optimizer has made {float(value):g} steps')
