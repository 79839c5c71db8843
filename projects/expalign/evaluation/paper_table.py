"""What an evaluation reports, as the rows of the paper's tables: text, CSV or LaTeX.

Figures are in percent with one decimal, as in the paper; a figure that is not defined (no instance
of that kind) is a dash.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

LVIS = (('AP', 'AP'), ('APr', 'APr'), ('APc', 'APc'), ('APf', 'APf'))
# Title of a table, how the names of its figures begin, and its columns: ending of a name, heading.
FIXED = (
    ('LVIS, boxes, fixed AP', 'lvis/bbox_fixed_', LVIS),
    ('LVIS, masks, standard AP', 'lvis/segm_standard_', LVIS),
    ('LVIS, boxes, standard AP', 'lvis/bbox_standard_', LVIS),
    ('LVIS, masks, fixed AP', 'lvis/segm_fixed_', LVIS),
    ('COCO, boxes', 'coco/bbox_', (('mAP', 'AP'), ('mAP_50', 'AP50'), ('mAP_75', 'AP75'))),
    ('COCO, masks', 'coco/segm_', (('mAP', 'AP'), ('mAP_50', 'AP50'), ('mAP_75', 'AP75'))),
)
REFERRING = ('refcoco_val', 'refcoco_testA', 'refcoco_testB', 'refcoco+_val', 'refcoco+_testA',
             'refcoco+_testB', 'refcocog_val', 'refcocog_test')
# Of what ends in them, and in this order where a table has no order of its own.
FREE = (
    ('ODinW, AP of the sets', 'odinw/', '_AP'),
    ('Flickr30k, recall', 'grounding/', ''),
)


class Table(NamedTuple):
    """A row with its headings.

    Attributes:
        title: of the table.
        columns: headings.
        values: figures in percent, None where one is not defined.
    """

    title: str
    columns: tuple[str, ...]
    values: tuple[float | None, ...]


def paper_tables(metrics: Mapping[str, float]) -> list[Table]:
    """The tables that an evaluation has the figures of.

    Args:
        metrics: what ``runner.test()`` returns, or what it has written as JSON.
    """
    found = [_table(title, {heading: metrics.get(prefix + name) for name, heading in columns})
             for title, prefix, columns in FIXED if prefix + columns[0][0] in metrics]
    means = {_mean_heading(key): value for key, value in metrics.items()
             if key.startswith('odinw/mean')}
    if means:
        found.append(_table('ODinW, mean AP', means))
    splits = {split: metrics[f'refexp/{split}_acc'] for split in REFERRING
              if f'refexp/{split}_acc' in metrics}
    splits |= {key.removeprefix('refexp/').removesuffix('_acc'): value
               for key, value in metrics.items() if key.startswith('refexp/')
               and key.removeprefix('refexp/').removesuffix('_acc') not in splits}
    if splits:
        found.append(_table('referring expressions, accuracy', splits))
    for title, prefix, ending in FREE:
        rest = {key.removeprefix(prefix).removesuffix(ending): value
                for key, value in metrics.items() if key.startswith(prefix)
                and key.endswith(ending) and not key.startswith('odinw/mean')}
        if rest:
            found.append(_table(title, rest))
    return found


def _table(title: str, values: Mapping[str, float | None]) -> Table:
    # COCO and LVIS say -1 where there is nothing to find.
    percent = (None if value is None or value < 0 else 100 * value for value in values.values())
    return Table(title, tuple(values), tuple(percent))


def _mean_heading(key: str) -> str:
    """'odinw/mean13' -> 'ODinW13', 'odinw/mean_3_of_13' -> 'ODinW13 (3 sets)'."""
    parts = key.removeprefix('odinw/mean').split('_')
    return f'ODinW{parts[0]}' if len(parts) == 1 else f'ODinW{parts[3]} ({parts[1]} sets)'


def joined(tables: Iterable[tuple[str, Table]], title: str) -> Table:
    """Several tables as one row; the headings begin with the name that each is given."""
    columns, values = [], []
    for name, table in tables:
        columns += [f'{name} {column}'.strip() for column in table.columns]
        values += table.values
    return Table(title, tuple(columns), tuple(values))


def as_text(tables: Sequence[Table], row: str) -> str:
    """Columns that line up; a blank line between tables."""
    blocks = []
    for table in tables:
        cells = [('model', row), *zip(table.columns, _figures(table), strict=True)]
        widths = [max(map(len, pair)) for pair in cells]
        lines = ['  '.join(pair[i].ljust(width) if place == 0 else pair[i].rjust(width)
                           for place, (pair, width) in enumerate(zip(cells, widths, strict=True)))
                 for i in (0, 1)]
        blocks.append('\n'.join([table.title, *lines]))
    return '\n\n'.join(blocks)


def as_csv(tables: Sequence[Table], row: str) -> str:
    """A line of headings and a line of figures for each table; the first column is its title."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    for table in tables:
        writer.writerow(['table', 'model', *table.columns])
        writer.writerow([table.title, row, *_figures(table)])
    return out.getvalue().rstrip('\n')


def as_latex(tables: Sequence[Table], row: str) -> str:
    """A ``tabular`` for each table, without packages."""
    blocks = []
    for table in tables:
        head, figures = (' & '.join(map(_escaped, cells)) + r' \\' for cells in (
            ('model', *table.columns), (row, *_figures(table))))
        blocks.append('\n'.join([
            f'% {table.title}', rf'\begin{{tabular}}{{l{"r" * len(table.columns)}}}', r'\hline',
            head, r'\hline', figures, r'\hline', r'\end{tabular}']))
    return '\n\n'.join(blocks)


FORMATS: dict[str, Callable[[Sequence[Table], str], str]] = dict(
    text=as_text, csv=as_csv, latex=as_latex)


def _figures(table: Table) -> list[str]:
    return ['-' if value is None else f'{value:.1f}' for value in table.values]


def _escaped(text: str) -> str:
    return ''.join(f'\\{letter}' if letter in '&%$#_{}' else letter for letter in text)
