"""The table of docs/own_data.md: what each mode makes of each set.

    python tools/misc/own_data_table.py ROWS.jsonl --sets nuts cards --modes tune probe

trains each mode on each set with ``expalign train``, one after another, and appends a row of JSON
for each run. Runs that have a row are not repeated, so that it goes on where it was stopped.
``--print`` gives the table in Markdown. The sets are looked for in the folder that the variable
EXPALIGN_DATA names. Minutes are those of the processor, not of the clock.
"""

import argparse
import json
import os
import shutil
import sys
from itertools import product
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from expalign.apis.own_data.modes import MODES
from expalign.utils import run_command

SETS = {
    'nuts': 'own/nuts_coco', 'cards': 'own/cards_voc', 'blood cells': 'own/bccd_voc',
    'thermal': 'odinw/thermalDogsAndPeople', 'packages': 'odinw/Packages'}
COLUMNS = ('set', 'images', 'mode', 'epochs', 'seed', 'AP before', 'AP after', 'AP50 after',
           'shipped photographs before', 'after', 'CPU minutes')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rows', type=Path, help='file of rows, JSON lines')
    parser.add_argument('--sets', nargs='+', choices=SETS, default=list(SETS))
    parser.add_argument('--modes', nargs='+', choices=MODES, default=list(MODES))
    parser.add_argument('--epochs', type=int, help='of every run')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--imgsz', type=int, default=320)
    parser.add_argument('--print', action='store_true', help='print the table, train nothing')
    return parser.parse_args()


def read_rows(path: Path) -> list[dict]:
    """The rows that there are."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def train(name: str, mode: str, seed: int, args: argparse.Namespace) -> dict:
    """One run; its row."""
    from expalign.apis.own_data.train import train_own_data
    data = Path(os.environ['EXPALIGN_DATA'], SETS[name])
    run = f'{name}-{mode}-{args.epochs}-{args.imgsz}-{seed}'.replace(' ', '_')
    out = args.rows.with_suffix('') / run
    shutil.rmtree(out, ignore_errors=True)
    started = cpu_seconds()
    result = train_own_data(
        data, out, mode=mode, epochs=args.epochs, imgsz=args.imgsz, seed=seed)
    seconds = cpu_seconds() - started
    metrics = json.loads(result.metrics.read_text(encoding='utf-8'))
    return dict(set=name, mode=mode, asked=[args.epochs, args.imgsz, seed], minutes=seconds / 60,
                **metrics)


def cpu_seconds() -> float:
    """Of this process and its ended children."""
    return sum(os.times()[:4])


def markdown(rows: list[dict]) -> str:
    """The table."""
    lines = ['| ' + ' | '.join(COLUMNS) + ' |', '|' + '---|' * len(COLUMNS)]
    for row in rows:
        cost = row['cost'].get('AP of boxes', {})
        cells = [row['set'], row['images']['train'], row['mode'], row['settings']['epochs'],
                 row['asked'][2],
                 *(f'{value:.3f}' for value in (
                     row['before']['AP'], row['after']['AP'], row['after']['AP50'],
                     cost.get('before', float('nan')), cost.get('after', float('nan')))),
                 f'{row["minutes"]:.1f}']
        lines.append('| ' + ' | '.join(map(str, cells)) + ' |')
    return '\n'.join(lines)


def main() -> None:
    """Train what has no row, or print the table."""
    args = parse_args()
    if args.print:
        print(markdown(read_rows(args.rows)))
        return
    if 'EXPALIGN_DATA' not in os.environ:
        raise ValueError('the variable EXPALIGN_DATA must name the folder with the sets')
    for seed, mode, name in product(args.seeds, args.modes, args.sets):
        done = {(row['set'], row['mode'], *row['asked']) for row in read_rows(args.rows)}
        if (name, mode, args.epochs, args.imgsz, seed) in done:
            continue
        print(f'{mode} on {name}, seed {seed}', file=sys.stderr, flush=True)
        row = train(name, mode, seed, args)
        with open(args.rows, 'a', encoding='utf-8') as file:
            file.write(json.dumps(row) + '\n')


if __name__ == '__main__':
    run_command(main)
