"""Publish a model: ``python tools/model_converters/publish_model.py CONFIG CKPT OUT_DIR``.

OUT_DIR receives ``NAME-HASH.safetensors`` (weights, no optimizer state, no code), the config and a
model card with the sha256. Frozen encoders are left out, recorded by name and digest, and checked
when the file is loaded. See docs/checkpoints.md.
"""

import argparse
from pathlib import Path

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.engine.config import load_config
from expalign.trust import add_trust_argument


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
        '--licence', default='not stated', help='licence of the weights, for header and card')
    add_trust_argument(parser)
    args = parser.parse_args()
    if not Path(args.checkpoint).is_file():
        parser.error(f'{args.checkpoint} does not exist')
    return args


def main() -> None:
    """Publish, and say what was written."""
    args = parse_args()
    from mmengine.registry import init_default_scope

    from expalign.engine.publish import publish
    cfg = load_config(args.config)
    init_default_scope('mmdet')
    files = publish(
        cfg, args.checkpoint, args.out_dir, args.name or Path(args.config).stem,
        with_frozen=args.with_frozen, licence=args.licence)
    for path in files.values():
        print(f'{path}  {path.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
