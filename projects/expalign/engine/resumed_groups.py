"""Going on from checkpoints whose optimizer had a group for every parameter.

Until parameters with the same settings became one group
(:class:`~expalign.engine.optimizers.TrainableOptimWrapperConstructor`), and with mmengine's own
constructor, each was a group of its own, in the order of the model.
"""

from typing import Any

from mmengine.optim import OptimWrapper
from torch import nn


def fit_groups(checkpoint: dict[str, Any], wrapper: Any, model: nn.Module) -> None:
    """Put the state of an optimizer with a group for every parameter into a run's groups.

    Nothing is changed where the checkpoint has groups as the run has them, or where they are not
    of the same parameters: torch refuses these.

    Args:
        checkpoint: ``optimizer`` and ``param_schedulers`` are changed in place.
        wrapper: of the run; several optimizers are left alone.
        model: whose parameters the optimizer trains.
    """
    saved = checkpoint.get('optimizer')
    if not isinstance(wrapper, OptimWrapper) or not saved:
        return
    own, before = wrapper.optimizer.param_groups, saved['param_groups']
    trained = {id(parameter) for group in own for parameter in group['params']}
    order = [id(parameter) for parameter in model.parameters() if id(parameter) in trained]
    if len(own) == len(before) or len(before) != len(order) or any(
            len(group['params']) != 1 for group in before):
        return
    place = {parameter: index for index, parameter in enumerate(order)}
    members = [[place[id(parameter)] for parameter in group['params']] for group in own]
    if any(_settings(before[index]) != _settings(before[group[0]])
           for group in members for index in group):
        return
    states, count = {}, 0
    groups = []
    for group in members:
        for index in group:
            (old,) = before[index]['params']
            if old in saved['state']:
                states[count] = saved['state'][old]
            count += 1
        groups.append({**before[group[0]], 'params': list(range(count - len(group), count))})
    saved.update(state=states, param_groups=groups)
    for schedule in checkpoint.get('param_schedulers') or ():
        for name in ('base_values', '_last_value'):
            values = schedule[name]  # one more than groups: mmengine's of the base settings
            schedule[name] = [values[group[0]] for group in members] + values[len(order):]


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != 'params'}
