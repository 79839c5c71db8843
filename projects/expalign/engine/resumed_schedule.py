"""Going on with another number of iterations an epoch: other batch size, other number of GPUs.

Schedules are meant in epochs, and counted in iterations. The count of a checkpoint is turned into
the one that this run would have at the same epoch, and its schedules are brought there.
"""

import copy
import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, Runner

PER_EPOCH = 'iters_per_epoch'  # in a checkpoint's 'meta'
MOST_STEPS = 10**12  # epochs or iterations: more were never counted


def fit_to_run(runner: Runner, checkpoint: dict[str, Any], name: str) -> None:
    """Make a checkpoint one that ``runner`` can go on from.

    Where it counts other iterations an epoch than the run, its count and the state of its
    schedules become those of the run; so do schedules that it does not have. What else is missing
    for an exact continuation is said in the log.

    Args:
        runner: with its train loop, optimizer and schedules, before its first step.
        checkpoint: changed in place.
        name: of the file, for messages.

    Raises:
        ValueError: the checkpoint does not say which epoch and iteration it is of.
    """
    meta = checkpoint.get('meta')
    try:
        meta['epoch'], meta['iter'] = int(meta['epoch']), int(meta['iter'])
        if not (0 <= meta['epoch'] <= MOST_STEPS and 0 <= meta['iter'] <= MOST_STEPS):
            raise ValueError('no training has come so far')
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f'{name} does not say which epoch and iteration it is of, so no training can be '
            'resumed from it: to start from its weights, set load_from in the config or '
            f'--cfg-options load_from={name}') from error
    checkpoint.setdefault('message_hub', dict(log_scalars={}, runtime_info={}, resumed_keys={}))
    if 'optimizer' not in checkpoint:
        print_log(f'{name} has no optimizer state: training goes on with a new optimizer, whose '
                  'moments start from zero', 'current', logging.WARNING)
    changed = _fit_iterations(runner, meta)
    if changed or 'param_schedulers' not in checkpoint:
        _replay_schedules(runner, checkpoint)


def _fit_iterations(runner: Runner, meta: dict[str, Any]) -> bool:
    """Turn the iteration of ``meta`` into the run's; whether it had to be."""
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        return False
    now = len(runner.train_dataloader)
    # Older checkpoints do not say it; they are of the end of an epoch.
    before = meta.get(PER_EPOCH) or meta['iter'] / max(meta['epoch'], 1)
    if not before or before == now:
        return False
    old, meta['iter'] = meta['iter'], round(meta['iter'] * now / before)
    print_log(
        f'the checkpoint counts {before:g} iterations an epoch, this run {now} (another batch size '
        f'or number of processes): its iteration {old} is iteration {meta["iter"]} here, and the '
        f'schedules go on as in a run with {now} from the start', 'current', logging.WARNING)
    return True


def _replay_schedules(runner: Runner, checkpoint: dict[str, Any]) -> None:
    """Bring the run's schedules to the checkpoint's iteration, and their rates to its groups."""
    schedulers = runner.param_schedulers
    if not isinstance(schedulers, list):
        if schedulers:
            print_log('schedules of several optimizers keep the state of the checkpoint',
                      'current', logging.WARNING)
        return
    groups = runner.optim_wrapper.param_groups
    names = {scheduler.param_name for scheduler in schedulers}
    keys = [tuple((key, group[key]) for name in sorted(names) for key in (name, f'initial_{name}')
                  if key in group) for group in groups]
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    kinds = list(first.values())  # one group of each kind: there may be hundreds of a kind
    replayed, values = _stepped(
        schedulers, [groups[index] for index in kinds], kinds,
        min(checkpoint['meta']['iter'], runner.max_iters), len(runner.train_dataloader))
    place = [kinds.index(first[key]) for key in keys]
    checkpoint['param_schedulers'] = []
    for scheduler, state in zip(schedulers, replayed, strict=True):
        state |= dict(base_values=scheduler.base_values,
                      _last_value=[state['_last_value'][index] for index in place])
        checkpoint['param_schedulers'].append(state)
    saved = _saved_groups(checkpoint.get('optimizer'))
    for targets in (groups, saved):
        if len(targets) == len(place):  # else it is another optimizer, which torch refuses
            for group, index in zip(targets, place, strict=True):
                group.update(values[index])


def try_schedules(schedulers: Any, groups: Sequence[dict]) -> None:
    """Take one step with copies of schedules, whose settings came from a checkpoint.

    Raises:
        ArithmeticError, TypeError, ValueError, ...: what the step raises.
    """
    for scheduler in schedulers if isinstance(schedulers, list) else ():
        twin = copy.copy(scheduler)
        twin.optimizer = _stand_in(groups)
        twin._last_value = list(twin._last_value)
        twin.step()


def _stand_in(groups: Sequence[dict]) -> SimpleNamespace:
    """What a schedule needs of an optimizer, for groups that are copies."""
    return SimpleNamespace(
        param_groups=[{key: value for key, value in group.items() if key != 'params'}
                      for group in groups],
        step=SimpleNamespace(_with_counter=True), _global_step=0)


def _stepped(schedulers: Sequence, groups: Sequence[dict], kinds: Sequence[int], last: int,
             per_epoch: int) -> tuple[list[dict], list[dict]]:
    """States of the schedulers after iteration ``last``, and the values of the groups then."""
    names = {scheduler.param_name for scheduler in schedulers}
    stand_in, copies = _stand_in(groups), []
    for scheduler in schedulers:
        twin = copy.copy(scheduler)
        twin.optimizer = stand_in
        twin.base_values = [scheduler.base_values[index] for index in kinds]
        copies.append(twin)
    for iteration in range(1, last + 1):
        for twin in copies:
            if not twin.by_epoch or iteration % per_epoch == 0:
                twin.step()
    wanted = {*names, *(f'initial_{name}' for name in names)}
    values = [{key: group[key] for key in wanted if key in group}
              for group in stand_in.param_groups]
    return [dict(twin.state_dict()) for twin in copies], values


def _saved_groups(optimizer: dict[str, Any] | None) -> list[dict]:
    """The groups of a saved optimizer, and mmengine's group of the settings without parameters."""
    if not optimizer:
        return []
    extra = optimizer.get('base_param_settings')
    return [*optimizer['param_groups'], *([extra] if extra else [])]
