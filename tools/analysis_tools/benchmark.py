"""Time parts of the model: ``benchmark.py --task NAME [options of the task]``.

Needs neither weights nor data. ``--task NAME --help`` lists the options of a task.
"""

import argparse
import os
from importlib import import_module

# Read when torch is imported: spinning threads disturb each other on a busy CPU.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import expalign  # noqa: E402, F401  (before mmdet: the compatibility layer)
from expalign.benchmarks import TASKS  # noqa: E402


def main() -> None:
    """Run a task and print its report."""
    parser = argparse.ArgumentParser(description='Time parts of the model', add_help=False)
    parser.add_argument('--task', choices=sorted(TASKS), required=True)
    task = import_module(TASKS[parser.parse_known_args()[0].task])
    parser.add_argument('-h', '--help', action='help')
    task.add_arguments(parser)
    print(task.run(parser.parse_args()))


if __name__ == '__main__':
    main()
