"""Time parts of the model: ``benchmark.py --task NAME [options of the task]``.

Needs neither weights nor data, except ``dataloader``, which reads those of a config.
``--task NAME --help`` lists the options of a task.
"""

import argparse
import os
import runpy
import sys
from importlib import import_module
from pathlib import Path

# Read when torch is imported: spinning threads disturb each other on a busy CPU.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from benchmarks import TASKS  # noqa: E402

import expalign  # noqa: E402, F401  (before mmdet: the compatibility layer)

# Tasks that are scripts of their own next to this one.
SCRIPTS = {'nms': 'benchmark_nms.py'}


def main() -> None:
    """Run a task and print its report."""
    parser = argparse.ArgumentParser(description='Time parts of the model', add_help=False)
    parser.add_argument('--task', choices=sorted({*TASKS, *SCRIPTS}), required=True)
    known, rest = parser.parse_known_args()
    if known.task in SCRIPTS:
        script = str(Path(__file__).with_name(SCRIPTS[known.task]))
        sys.argv = [script, *rest]
        runpy.run_path(script, run_name='__main__')
        return
    task = import_module(TASKS[known.task])
    parser.add_argument('-h', '--help', action='help')
    task.add_arguments(parser)
    print(task.run(parser.parse_args()))


if __name__ == '__main__':
    main()
