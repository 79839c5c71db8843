"""Publish a model: ``python tools/model_converters/publish_model.py CONFIG CKPT OUT_DIR``.

OUT_DIR receives ``NAME-HASH.safetensors`` (weights, no optimizer state, no code), the config and a
model card with the sha256. Frozen encoders are left out, recorded by name and digest, and checked
when the file is loaded. With --trained-only it receives NAME.safetensors alone, in half precision:
what the config trains. See docs/weights.md.
"""

import argparse
from pathlib import Path

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.checkpoints.trust import add_trust_argument
from expalign.utils import check_outputs, run_command
from expalign.utils.load_config import load_config


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint, .pth or .safetensors')
    parser.add_argument('out_dir', help='folder to write to')
    parser.add_argument('--name', help="first part of the files' names; default: the config's")
    parser.add_argument(
        '--with-frozen', action='store_true', help='keep the weights of frozen encoders')
    parser.add_argument(
        '--trained-only', metavar='DATA', help='only the part that the config trains, without '
        'config and card; DATA says what it was trained on, for the header')
    parser.add_argument(
        '--licence', default='not stated', help='licence of the weights, for header and card')
    add_trust_argument(parser)
    args = parser.parse_args()
    if not Path(args.checkpoint).is_file():
        parser.error(f'{args.checkpoint} does not exist')
    if args.with_frozen and args.trained_only:
        parser.error('--with-frozen and --trained-only exclude each other')
    args.name = args.name or Path(args.config).stem
    if args.trained_only:
        try:
            check_outputs([Path(args.out_dir, f'{args.name}.safetensors')], [args.checkpoint])
        except ValueError as error:
            parser.error(str(error))
    return args


def main() -> None:
    """Publish, and say what was written."""
    args = parse_args()
    from mmengine.registry import init_default_scope

    from expalign.checkpoints.publish import publish, publish_trained
    cfg = load_config(args.config)
    init_default_scope('mmdet')
    if args.trained_only:
        files = [publish_trained(
            cfg, args.checkpoint, args.out_dir, args.name, licence=args.licence,
            data=args.trained_only, config=Path(args.config).name,
            command=f'python tools/train.py {args.config}')]
    else:
        files = publish(
            cfg, args.checkpoint, args.out_dir, args.name, with_frozen=args.with_frozen,
            licence=args.licence).values()
    for path in files:
        print(f'{path}  {path.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
    run_command(main)
