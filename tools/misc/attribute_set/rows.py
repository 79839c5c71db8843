"""The rows of the table, and its Markdown."""

import math
import statistics
from collections.abc import Sequence

from .prompts import SPLITS
from .training import Recipe

# Half of the steps at a fifth of the rates, from the seed's own first stage.
SECOND = dict(second=True, steps=120, lr=2e-4, new_lr=1e-3)
FIRST, SECOND_BASE = 'expectation', 'second stage, 0, 0'
ROWS = {
    'untrained': Recipe(steps=0),
    # Table 5
    FIRST: Recipe(),
    'eot': Recipe(pooling='eot'),
    'mean': Recipe(pooling='mean'),
    # Table 6, the losses from the start
    '0.5, 0': Recipe(sem=0.5),
    '0, 1': Recipe(geo=1.0),
    '0.5, 1': Recipe(sem=0.5, geo=1.0),
    # Table 6, the losses in a second stage, as in the paper
    SECOND_BASE: Recipe(**SECOND),
    'second stage, 0.5, 0': Recipe(sem=0.5, **SECOND),
    'second stage, 0, 1': Recipe(geo=1.0, **SECOND),
    'second stage, 0.5, 1': Recipe(sem=0.5, geo=1.0, **SECOND),
    # L_sem by the mean of 1 % of its own map's cells, at 320 px the best one, not 1 % of P3's
    'L_sem k of map': Recipe(sem=0.5, topk_of='map'),
    'second stage, L_sem k of map': Recipe(sem=0.5, topk_of='map', **SECOND),
    # what the paper leaves open
    'tau 0.1': Recipe(tau=0.1),
    'tau 10': Recipe(tau=10.0),
    'tau learned': Recipe(tau='learned'),
    'no function words': Recipe(pooling='content'),
}
COLUMNS = ('all', *SPLITS, 'binding', 'alarms')


def cell(row: dict, column: str) -> float:
    """A figure of a run: AP50 of a split or of all together, or one of the last two columns."""
    figures = row['figures']
    if column == 'alarms':
        return figures['false_alarms']
    if column == 'binding':
        parts = [figures['splits'][name] for name in ('seen', 'combinations')]
        return sum(x['binding'] * x['boxes'] for x in parts) / sum(x['boxes'] for x in parts)
    if column == 'all':
        return statistics.mean(figures['splits'][name]['ap50'] for name in SPLITS[1:])
    return figures['splits'][column]['ap50']


def by_row(rows: Sequence[dict]) -> dict[str, dict[int, dict]]:
    """Runs by the row's name and the seed."""
    found: dict[str, dict[int, dict]] = {}
    for row in rows:
        found.setdefault(row['row'], {})[row['seed']] = row
    return found


def markdown(rows: Sequence[dict]) -> str:
    """Mean and standard deviation over seeds, and below the differences from their bases."""
    found = by_row(rows)
    lines = ['| row | ' + ' | '.join(COLUMNS) + ' |', '|' + '---|' * (len(COLUMNS) + 1)]
    for name in (x for x in ROWS if x in found):
        cells = [spread([cell(run, column) for run in found[name].values()])
                 for column in COLUMNS]
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    for base in (x for x in (FIRST, SECOND_BASE) if x in found):
        lines += ['', f'| minus {base} | ' + ' | '.join(COLUMNS) + ' |',
                  '|' + '---|' * (len(COLUMNS) + 1)]
        for name in (x for x in ROWS if x in found and x != base and base_of(x) == base):
            cells = [verdict(found[name], found[base], column) for column in COLUMNS]
            lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def base_of(name: str) -> str:
    """The row that another one is compared with."""
    return SECOND_BASE if ROWS[name].second and name != SECOND_BASE else FIRST


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    if len(values) < 2:
        return f'{statistics.mean(values):.3f}'
    return f'{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}'


def verdict(ours: dict[int, dict], theirs: dict[int, dict], column: str) -> str:
    """The difference of the means; in bold where it is more than twice the spread."""
    first, second = ([cell(run, column) for run in runs.values()] for runs in (ours, theirs))
    difference = statistics.mean(first) - statistics.mean(second)
    if min(len(first), len(second)) < 2:
        return f'{difference:+.3f}'
    deviation = math.sqrt((statistics.variance(first) + statistics.variance(second)) / 2)
    text = f'{difference:+.3f}'
    return f'**{text}**' if decided(difference, deviation) else text


def decided(difference: float, deviation: float) -> bool:
    """Whether a difference of means is beyond twice the spread over seeds."""
    return abs(difference) > 2 * deviation


def parts(rows: Sequence[dict], part: str, figure: str) -> str:
    """A figure by parts of the questions.

    Args:
        rows: runs.
        part: ``'splits'`` or ``'words'``, the number of them in a prompt.
        figure: ``'ap50'``, ``'binding'`` or ``'alarms'``.
    """
    found = by_row(rows)
    if part == 'splits':
        names = [name for name in SPLITS if figure != 'binding' or name != 'nouns']
    else:
        names = sorted({count for row in rows for count in row['figures']['words']}, key=int)
    lines = [f'| {figure} by {part} | ' + ' | '.join(names) + ' |',
             '|' + '---|' * (len(names) + 1)]
    for row in (x for x in ROWS if x in found):
        cells = [spread([run['figures'][part][name][figure] for run in found[row].values()])
                 for name in names]
        lines.append(f'| {row} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)
