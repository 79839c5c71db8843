"""What a resumed checkpoint says about files of its run, before a hook removes or replaces them.

A checkpoint may be a stranger's, and mmengine's hook removes the path that the message hub calls
the best checkpoint, whatever it is. Here a file counts only where it is one that the hook itself
writes: a best checkpoint directly in the folder of this run's checkpoints.
"""

from numbers import Real
from os.path import basename, dirname, isdir, realpath
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

BEST_FILE, BEST_PATH, BEST_SCORE = 'best_', 'best_ckpt', 'best_score'
KEPT = 'keep_ckpt_ids'


def forget_what_is_no_number(info: dict[str, Any]) -> None:
    """Drop what should be a number from a message hub's ``runtime_info`` and is none.

    The hook makes names of files from the numbers of checkpoints, and compares scores.
    """
    if KEPT in info:
        steps = info[KEPT] if isinstance(info[KEPT], list | tuple) else []
        info[KEPT] = [step for step in steps if type(step) is int and step >= 0]
    for name in [name for name in info if str(name).startswith(BEST_SCORE)]:
        if not isinstance(info[name], Real):
            del info[name]


def forget_foreign_files(hook: CheckpointHook, runner: Runner) -> None:
    """Make the hook forget best checkpoints that do not lie in its own folder, and say so."""
    info = runner.message_hub.runtime_info
    for name in [name for name in info if str(name).startswith(BEST_PATH)]:
        if not is_best_checkpoint(info[name], hook.out_dir):
            runner.logger.warning(
                f'the resumed checkpoint calls {info.pop(name)!r} the best one, which is no best '
                f'checkpoint in {hook.out_dir}: it is left alone')
    if getattr(hook, 'best_ckpt_path', None) is not None:
        hook.best_ckpt_path = info.get(BEST_PATH)
    for key in getattr(hook, 'best_ckpt_path_dict', {}):
        hook.best_ckpt_path_dict[key] = info.get(f'{BEST_PATH}_{key}')


def is_best_checkpoint(path: Any, folder: str) -> bool:
    """Whether ``path`` is what the checkpoint hook calls a best checkpoint in ``folder``.

    Links to other folders are followed. Addresses of object stores are compared as they are.

    Args:
        path: from a message hub; anything.
        folder: where the run keeps its checkpoints.
    """
    return (isinstance(path, str) and '\0' not in path and basename(path).startswith(BEST_FILE)
            and realpath(dirname(path)) == realpath(folder) and not isdir(path))
