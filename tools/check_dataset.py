"""Read all data of a config once and report what is wrong with it.

    python tools/check_dataset.py CONFIG [--split train val] [--fix-to OUT]

The exit status is 0 if there is no problem and 1 if there is one. --fix-to writes the annotation
file without what is wrong; with several sources, OUT is a folder with one file each.
"""

import argparse
from pathlib import Path

from expalign.utils import check_outputs, run_command
from expalign.utils.command_parser import CommandParser, DictAction

SPLITS = ('train', 'val', 'test')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='my_data.py --split train val')
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
        paths = [target]
    elif target.suffix:
        raise ValueError(f'--fix-to {target}: {len(checks)} annotation files are checked, so give '
                         'a folder')
    else:
        paths = [target / f'{index}_{Path(check.dataset.ann_file).name}'
                 for index, check in enumerate(checks)]
    for path in paths:
        check_outputs([path], (check.dataset.ann_file for check in checks))
    return paths


def class_differences(checks: list) -> list[str]:
    """In what the classes of validation and test differ from those of training, as lines.

    Only where one side has them from its annotation file: a config that names both means it.
    """
    from expalign.data_tools.checks.prompt_checks import compare_classes
    train = [check for check in checks if check.split == 'train' and check.classes]
    names = [name for check in train for name in check.classes]
    lines = []
    for check in checks:
        own = check.source.own_classes or any(other.source.own_classes for other in train)
        if check.split != 'train' and names and check.classes and own:
            found = compare_classes(names, check.classes)
            if found:
                lines += [f'the classes of {check.split} ({check.dataset.ann_file}) differ from '
                          'those of train, so it is tested with other prompts than were trained:',
                          *(f'    {line}' for line in found)]
    return lines


def main() -> None:
    """Check, report, and write what was asked for."""
    args = parse_args()
    from expalign.utils.load_config import load_config
    cfg = load_config(args.config, args.cfg_options)

    from expalign.data_tools.checks.check import SourceCheck
    from expalign.data_tools.checks.sources import sources_of_split
    from expalign.data_tools.coco_stream import stream
    val_ids = {image['id'] for image in stream(args.coco_val, 'images')} if args.coco_val else None
    digests: dict[bytes, str] = {}
    checks = [SourceCheck(source, split, digests, val_ids, args.workers)
              for split in args.split for source in sources_of_split(cfg, split)]
    paths = fixed_paths(checks, args.fix_to) if args.fix_to else []
    for check in checks:
        print(check.run().report() + '\n')
    differences = class_differences(checks)
    if differences:
        print('PROBLEMS between splits:', *differences, '', sep='\n')
    for check, path in zip(checks, paths, strict=bool(paths)):
        print('cleaned:', check.write(str(path)))
    problems = sum(sum(check.findings.problems.values()) for check in checks) + bool(differences)
    if problems:
        print(f'{problems} problems')
        raise SystemExit(1)


if __name__ == '__main__':
    run_command(main)
