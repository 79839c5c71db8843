"""Print a config with its bases and overrides merged: ``print_config.py CONFIG [options]``."""

import argparse
from pathlib import Path

from mmengine.config import DictAction

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.engine.config import load_config

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
    return args


def main() -> None:
    """Print, and save if asked to."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    print(cfg.pretty_text)
    if args.save_path is not None:
        Path(args.save_path).parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(args.save_path)


if __name__ == '__main__':
    main()
