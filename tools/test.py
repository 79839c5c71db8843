"""Test a model and print its metrics: ``python tools/test.py CONFIG CHECKPOINT [options]``."""

import argparse
from glob import escape, glob
from pathlib import Path

from expalign.apis.run_arguments import add_run_arguments
from expalign.utils import check_outputs, unwinding_at_termination
from expalign.utils.command_parser import CommandParser


def parse_args() -> argparse.Namespace:
    """Read the command line; refuse what would fail only after the whole test."""
    parser = CommandParser(description='Test a model',
                           example='my_data.py work_dirs/my_data/epoch_10.pth')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', metavar='FILE.pkl', help='write the predictions to this file')
    parser.add_argument(
        '--json-prefix', metavar='PREFIX',
        help='write PREFIX.*.json, result files for the official tools of COCO and LVIS')
    parser.add_argument(
        '--format-only', action='store_true', help='write these files and do not evaluate')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument(
        '--show-dir', help='folder for pictures of the predictions, below WORK_DIR/TIMESTAMP')
    parser.add_argument(
        '--wait-time', type=float, default=2, help='seconds that --show shows one picture')
    parser.add_argument(
        '--tta', action='store_true', help='average over the image and its mirror image')
    parser.add_argument(
        '--fuse-conv-bn', action='store_true',
        help='fold batch normalisation into convolutions: the same predictions, a little faster')
    parser.add_argument(
        '--compile', action='store_true',
        help='compile image encoder, pyramid and branches (torch.compile; on a GPU with CUDA '
             'graphs): the test starts later and then is faster')
    parser.add_argument(
        '--table', choices=('text', 'csv', 'latex'),
        help="print the figures as rows of the paper's tables")
    parser.add_argument(
        '--allow-missing', action='store_true',
        help='ODinW: go on without the sets that are not on disk')
    add_run_arguments(parser)
    args = parser.parse_args()
    if args.out is not None and Path(args.out).suffix not in ('.pkl', '.pickle'):
        parser.error(f'--out {args.out}: the name must end in .pkl or .pickle')
    try:
        check_outputs(outputs_of(args), [args.config, args.checkpoint])
    except ValueError as error:
        parser.error(str(error))
    if args.show:
        from expalign.utils.screen import check_screen
        try:
            check_screen()
        except RuntimeError as error:
            parser.error(str(error))
    if args.format_only and args.json_prefix is None:
        parser.error('--format-only needs --json-prefix')
    if not Path(args.checkpoint).is_file() and '://' not in args.checkpoint:
        parser.error(f'checkpoint {args.checkpoint} does not exist')
    return args


def outputs_of(args: argparse.Namespace) -> list[str]:
    """Files that will be replaced; results of --json-prefix have names that begin so."""
    prefix = [] if args.json_prefix is None else glob(f'{escape(args.json_prefix)}.*json')
    return [*prefix, *filter(None, [args.out])]


def apply_options(cfg, args: argparse.Namespace) -> None:
    """Write what the command line asks for into the config."""
    from expalign.engine.result_export import set_json_prefix
    from expalign.engine.test_time_augmentation import add_test_time_augmentation
    from expalign.utils.load_config import set_work_dir
    set_work_dir(cfg, args.work_dir, args.config)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.show or args.show_dir:
        from mmdet.engine.hooks.utils import trigger_visualization_hook
        trigger_visualization_hook(cfg, args)
    if args.fuse_conv_bn:
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='expalign.FuseConvBNHook')]
    if args.compile:
        hook = dict(type='expalign.CompileHook', cuda_graphs=True)
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]
    if args.allow_missing:
        from expalign.datasets.odinw import allow_missing_sets
        allow_missing_sets(cfg)
    if args.tta:
        add_test_time_augmentation(cfg)
    if args.json_prefix is not None:
        set_json_prefix(cfg.test_evaluator, args.json_prefix, args.format_only)


def main() -> None:
    """Test."""
    args = parse_args()
    # After the command line, as they take seconds to import.
    from expalign.engine.launch import build_runner, prepare_distributed
    from expalign.engine.result_export import annotation_files
    from expalign.utils.load_config import load_config
    cfg = load_config(args.config, args.cfg_options)
    check_outputs(outputs_of(args), annotation_files(cfg.test_dataloader))
    apply_options(cfg, args)
    with unwinding_at_termination():
        prepare_distributed(cfg, args.launcher, args.local_rank)
        runner = build_runner(cfg)
        if args.out is not None:
            from expalign.evaluation.finished_dump import FinishedDump
            runner.test_evaluator.metrics.append(FinishedDump(out_file_path=args.out))
        metrics = runner.test()
        if args.table is not None and runner.rank == 0:
            from expalign.evaluation.paper_table import FORMATS, paper_tables
            print(FORMATS[args.table](paper_tables(metrics), Path(args.config).stem))


if __name__ == '__main__':
    main()
