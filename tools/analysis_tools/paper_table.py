"""One row of a table of the paper from several evaluations.

    paper_table.py FOLDER [--name MODEL] [--format text|csv|latex]

FOLDER holds the work folders of tools/test.py, each named after what was evaluated (lvis_minival,
lvis_val, odinw35, refcoco, ...), as tools/misc/reproduce.sh leaves them. Of each the latest result
is taken.
"""

import argparse
import json
from pathlib import Path

from expalign.evaluation.paper_table import FORMATS, joined, paper_tables
from expalign.utils import run_command


def latest_metrics(folder: Path) -> dict[str, float] | None:
    """What the last evaluation in a work folder has written; None where there is nothing."""
    files = sorted(folder.glob('*/*.json'))
    return json.loads(files[-1].read_text(encoding='utf-8')) if files else None


def main() -> None:
    """Read, join, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='folder of work folders of tools/test.py')
    parser.add_argument('--name', help="of the row; the folder's by default")
    parser.add_argument('--format', choices=FORMATS, default='text')
    args = parser.parse_args()
    if not args.folder.is_dir():
        raise ValueError(f'{args.folder} is no folder')
    found = {part.name: metrics for part in sorted(args.folder.iterdir())
             if part.is_dir() and (metrics := latest_metrics(part))}
    if not found:
        raise ValueError(f'{args.folder} has no result of tools/test.py')
    groups: dict[str, list] = {}
    for name, metrics in found.items():
        for table in paper_tables(metrics):
            groups.setdefault(table.title, []).append((name, table))
    tables = [tables[0][1] if len(tables) == 1 else joined(tables, title)
              for title, tables in groups.items()]
    print(FORMATS[args.format](tables, args.name or args.folder.name))


if __name__ == '__main__':
    run_command(main)
