"""Read all data of a config once and report what is wrong with it.

    python tools/check_dataset.py CONFIG [--split train val] [--fix-to OUT]

The exit status is 0 if there is no problem and 1 if there is one. --fix-to writes the annotation
file without what is wrong; with several sources, OUT is a folder with one file each.
"""

import argparse
from pathlib import Path

from mmengine.config import DictAction

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.engine.config import load_config

SPLITS = ('train', 'val', 'test')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', nargs='+', choices=SPLITS, default=['train'],
                        help='several are compared with each other: an image of both train and val '
                             'is found (default: train)')
    parser.add_argument('--fix-to', type=Path, metavar='OUT',
                        help='annotation file to write, or folder for several sources')
    parser.add_argument('--coco-val', metavar='FILE',
                        help='instances_val2017.json: tell images of COCO val by id, not only by '
                             'the folder or prefix in their name')
    parser.add_argument('--workers', type=int, default=4, help='threads that read images')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    return parser.parse_args()


def fixed_paths(checks: list, target: Path) -> list[Path]:
    """Where the cleaned file of each source goes."""
    if len(checks) == 1:
        return [target]
    if target.suffix:
        raise ValueError(f'--fix-to {target}: {len(checks)} annotation files are checked, so give '
                         'a folder')
    return [target / f'{index}_{Path(check.reader.dataset.ann_file).name}'
            for index, check in enumerate(checks)]


def main() -> None:
    """Check, report, and write what was asked for."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)

    from expalign.convert.data.coco_stream import stream
    from expalign.datasets.checks.check import SourceCheck
    from expalign.datasets.checks.sources import readers_of_split
    val_ids = {image['id'] for image in stream(args.coco_val, 'images')} if args.coco_val else None
    digests: dict[bytes, str] = {}
    checks = [SourceCheck(reader, split, digests, val_ids, args.workers)
              for split in args.split for reader in readers_of_split(cfg, split)]
    paths = fixed_paths(checks, args.fix_to) if args.fix_to else []
    for check in checks:
        print(check.run().report() + '\n')
    for check, path in zip(checks, paths, strict=bool(paths)):
        print('cleaned:', check.write(str(path)))
    problems = sum(sum(check.findings.problems.values()) for check in checks)
    if problems:
        print(f'{problems} problems')
        raise SystemExit(1)


if __name__ == '__main__':
    main()
