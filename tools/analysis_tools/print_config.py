"""Print a config with its bases and overrides merged: ``print_config.py CONFIG [options]``."""

import argparse
from pathlib import Path

from mmengine.config import DictAction

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.utils import check_outputs, finished_file, run_command
from expalign.utils.load_config import config_files, load_config

FORMATS = ('.py', '.json', '.yml')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Print the whole config')
    parser.add_argument('config', help='config file')
    parser.add_argument('--save-path', help=f'write it to a file as well: {", ".join(FORMATS)}')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    args = parser.parse_args()
    if args.save_path is not None and Path(args.save_path).suffix not in FORMATS:
        parser.error(f'--save-path {args.save_path}: the name must end in one of {FORMATS}')
    if args.save_path is not None:
        try:
            check_outputs([args.save_path], config_files(args.config))
        except ValueError as error:
            parser.error(str(error))
    return args


def main() -> None:
    """Print, and save if asked to."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    print(cfg.pretty_text)
    if args.save_path is not None:
        with finished_file(args.save_path) as temporary:
            cfg.dump(temporary)


if __name__ == '__main__':
    run_command(main)
