r"""The tables of docs/results.md on made-up attributes: training on cached maps of the image side.

    python tools/misc/attribute_table.py cache SET MAPS
    python tools/misc/attribute_table.py train SET MAPS ROWS.jsonl --rows expectation eot mean \
        --seeds 0 1 2 --longer 2
    python tools/misc/attribute_table.py print ROWS.jsonl

SET is of make_attribute_set.py. ``cache`` runs the shipped frozen image side once over the
pictures, ``train`` appends a row of JSON for each run that has none yet, and ``print`` makes the
tables. All go on where they were stopped. Minutes are those of the processor. Rows of one file are
of the same maps and steps.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from attribute_set.layout import SPLITS
from attribute_set.rows import ROWS, markdown, parts

from expalign.utils import run_command

WEIGHTS = 'expalign://s-boxes'
PARTS = (('splits', 'binding'), ('words', 'ap50'), ('words', 'binding'), ('words', 'alarms'))
VECTORS = 'clip-names/clip_vitb32_names.npz'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    cache = commands.add_parser('cache', help='run the image side')
    train = commands.add_parser('train', help='train rows')
    for command in (cache, train):
        command.add_argument('set', type=Path, help='folder of make_attribute_set.py')
        command.add_argument('maps', type=Path, help='folder of the maps')
        command.add_argument('--weights', default=WEIGHTS, help='default: %(default)s')
    for split in ('train', 'test'):
        cache.add_argument(f'--{split}', type=int, metavar='N',
                           help=f'the first N pictures of {split} alone; a picture takes 1 MB')
    cache.add_argument('--side', type=int, metavar='PIXELS',
                       help="of the input; default: the least that the set's pictures fit in")
    train.add_argument('results', type=Path, help='file of rows, JSON lines')
    train.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS), metavar='ROW',
                       help='; '.join(ROWS))
    train.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    train.add_argument('--longer', type=int, default=1, metavar='N',
                       help='N times the steps of every row')
    train.add_argument('--most', type=int, help='runs of this call')
    train.add_argument('--vectors', type=Path, help=f'npz of names; default: {VECTORS} in the '
                       'folder that the variable EXPALIGN_DATA names')
    printed = commands.add_parser('print', help='the tables in Markdown')
    printed.add_argument('results', type=Path)
    args = parser.parse_args()
    if args.command == 'train' and args.longer < 1:
        parser.error('--longer must be 1 or more')
    if args.command == 'train' and args.vectors is None:
        if 'EXPALIGN_DATA' not in os.environ:
            parser.error('give --vectors, or let the variable EXPALIGN_DATA name a folder')
        args.vectors = Path(os.environ['EXPALIGN_DATA'], VECTORS)
    if args.command == 'train' and not args.vectors.is_file():
        parser.error(f'{args.vectors}, the vectors of names, does not exist')
    return args


def load(args: argparse.Namespace):
    """The detector with its weights."""
    from attribute_set.run import build_model, load_weights
    model = build_model(args.maps / 'text')
    load_weights(model, args.weights)
    return model


def weights_file(args: argparse.Namespace) -> Path:
    """Of a name or a path."""
    from expalign.model_zoo import checkpoint
    named = args.weights.startswith('expalign://')
    return Path(checkpoint(args.weights) if named else args.weights)


def write_maps(args: argparse.Namespace) -> None:
    """The maps of both splits."""
    from attribute_set.maps import cache, input_side, picture_names
    for split in SPLITS:  # before any work
        picture_names(args.set, split, getattr(args, split))
    side = input_side(args.set, args.side)
    path, model = weights_file(args), load(args)
    for split in SPLITS:
        cache(model, path, args.set, args.maps / split, split, getattr(args, split), side)


def train_rows(args: argparse.Namespace) -> None:
    """The runs that have no row."""
    from attribute_set.maps import picture_names, sources
    from attribute_set.run import Bench, made_from, missing, read_rows
    picture_names(args.set, SPLITS[0])
    common = made_from(args.maps, sources(args.set, weights_file(args)), args.longer)
    todo = missing(read_rows(args.results), args.rows, args.seeds, common)[:args.most]
    if not todo:
        return
    bench = Bench(args.set, args.maps, load(args), args.longer)
    for name, seed in todo:
        row = dict(row=name, seed=seed, made_from=common,
                   **bench.run(ROWS[name], args.vectors, seed))
        with open(args.results, 'a', encoding='utf-8') as file:
            file.write(json.dumps(row) + '\n')
        print(f'{name}, seed {seed}: {sum(row["minutes"]):.1f} minutes', flush=True)


def print_tables(path: Path) -> None:
    """The tables of a file of rows."""
    from attribute_set.run import read_rows
    rows = read_rows(path)
    if not rows:
        raise ValueError(f'{path} has no rows: attribute_table.py train writes them')
    other = sorted({row['row'] for row in rows} - set(ROWS))
    if other:
        print(f'note: left out, no rows of this version: {"; ".join(other)}', file=sys.stderr)
    print(markdown(rows))
    for part, figure in PARTS:
        print(f'\n{parts(rows, part, figure)}')


def main() -> None:
    """Cache, train or print."""
    args = parse_args()
    if args.command == 'cache':
        write_maps(args)
    elif args.command == 'train':
        train_rows(args)
    else:
        print_tables(args.results)


if __name__ == '__main__':
    run_command(main)
