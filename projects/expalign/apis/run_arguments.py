"""The options that training and testing share."""

import argparse

from expalign.checkpoints.trust import add_trust_argument
from expalign.utils.command_parser import DictAction

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them, under OpenMMLab's names."""
    parser.add_argument('--work-dir', help='folder for logs and results')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config; a list is written "[a,b]" without blanks')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none', help='job launcher')
    add_trust_argument(parser)
    # Some launchers pass the rank as an argument; mmengine reads the environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
