"""Train a model: ``python tools/train.py CONFIG [options]``."""

import argparse
import os

# Read when torch is imported. Threads that spin while they wait for each other make training on
# a busy CPU many times slower.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from expalign.apis.run_arguments import add_run_arguments
from expalign.utils import unwinding_at_termination
from expalign.utils.command_parser import CommandParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description='Train the model of a config', example='my_data.py --amp')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--amp', nargs='?', const='auto', choices=('auto', 'fp16', 'bf16'),
        help='train in mixed precision; without a value, fp16 on a GPU and bf16 on a CPU')
    parser.add_argument(
        '--compile', action='store_true',
        help='compile image encoder, pyramid and branches (torch.compile): the first steps are '
             'slow, the others faster')
    parser.add_argument(
        '--auto-scale-lr', action='store_true',
        help='scale the learning rate by the batch size, relative to auto_scale_lr of the config')
    parser.add_argument(
        '--resume', nargs='?', const='auto', metavar='CHECKPOINT',
        help='go on from a checkpoint; without a value, from the newest whole one in the work '
             'folder, and from load_from of the config where there is none')
    parser.add_argument(
        '--preflight', action='store_true',
        help='check data, weights, disk and memory, print what was found, and do not train')
    add_run_arguments(parser)
    return parser.parse_args()


def apply_options(cfg, args: argparse.Namespace) -> None:
    """Write what the command line asks for into the config."""
    from expalign.engine.launch import use_mixed_precision
    from expalign.utils.load_config import set_work_dir
    set_work_dir(cfg, args.work_dir, args.config)
    if args.amp:
        use_mixed_precision(cfg, args.amp)
    if args.compile:
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='expalign.CompileHook')]
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError(
                f'--auto-scale-lr: {args.config} has no auto_scale_lr.base_batch_size')
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        cfg.resume = 'auto' if args.resume == 'auto' else True
        if args.resume != 'auto':
            cfg.load_from = args.resume


def check(cfg) -> None:
    """Print what can be known before the first iteration; stop where anything is wrong."""
    from expalign.apis.preflight import preflight
    report = preflight(cfg)
    print(report.table(), flush=True)
    if report.faults:
        count = len(report.faults)
        raise SystemExit(f'error: {count} fault{"s" if count > 1 else ""}, listed above: '
                         'nothing was trained')


def main() -> None:
    """Train."""
    args = parse_args()
    # After the command line, as they take seconds to import.
    from expalign.engine.launch import (
        build_runner,
        is_first_process,
        prepare_distributed,
        run_lock_of,
    )
    from expalign.utils.load_config import load_config
    cfg = load_config(args.config, args.cfg_options)
    apply_options(cfg, args)
    if is_first_process(args.launcher):
        check(cfg)
    if args.preflight:
        return
    with unwinding_at_termination(), run_lock_of(cfg, args.launcher):
        prepare_distributed(cfg, args.launcher, args.local_rank)
        build_runner(cfg).train()


if __name__ == '__main__':
    main()
