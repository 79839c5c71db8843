"""The report of a run on own data as one HTML page that needs nothing else."""

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from expalign.evaluation.found_and_true import Mistakes, Threshold
from expalign.utils import finished_file

from .mistake_pictures import mistake_picture
from .report_style import STYLE

MAX_PICTURES = 8
MAX_MATRIX = 40  # classes of a confusion matrix that can still be read
QUALITY = 85  # of the pictures, JPEG


@dataclass(frozen=True)
class ClassRow:
    """One class in the table: AP before and after, its threshold, boxes to train on."""

    name: str
    trained: int
    before: float
    after: float
    threshold: Threshold


@dataclass(frozen=True)
class Report:
    """All that the page says.

    Attributes:
        title: what was trained on what.
        facts: names and values, the first thing to read.
        classes: a row for each.
        confusion: (K + 1, K + 1), see :func:`~expalign.evaluation.found_and_true.confusion_matrix`.
        mistakes: of the images, the worst first.
        cost: of the shipped photographs: metric, before, after.
        check: what the check of the data said.
        commands: to go on with, each with what it does.
    """

    title: str
    facts: list[tuple[str, str]]
    classes: list[ClassRow]
    confusion: np.ndarray
    mistakes: list[Mistakes]
    cost: list[tuple[str, float, float]]
    check: str
    commands: list[tuple[str, str]] = field(default_factory=list)


def write_page(report: Report, path: str | Path) -> None:
    """Write the page."""
    names = [row.name for row in report.classes]
    parts = [
        f'<h1>{_text(report.title)}</h1>', _facts(report.facts),
        '<h2>Use it</h2>', _commands(report.commands),
        '<h2>Classes</h2>', _class_table(report.classes),
        '<h2>What was found as what</h2>', _confusion(report.confusion, names),
        '<h2>The worst mistakes</h2>', _pictures(report.mistakes, names),
        '<h2>What it cost</h2>', _cost(report.cost),
        '<h2>The data</h2>', f'<pre>{_text(report.check)}</pre>']
    page = (f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{_text(report.title)}</title><style>{STYLE}</style></head>'
            f'<body><main>{"".join(parts)}</main></body></html>\n')
    with finished_file(path) as temporary:
        temporary.write_text(page, encoding='utf-8')


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return '–' if value is None or math.isnan(value) else f'{value:.{digits}f}'


def _text(value: object) -> str:
    # A file's name may be no valid Unicode.
    return html.escape(str(value).encode('utf-8', 'replace').decode())


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = ''.join(f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>'
                   for name, value in facts)
    return f'<table class="facts">{rows}</table>'


def _commands(commands: Sequence[tuple[str, str]]) -> str:
    return ''.join(f'<p>{_text(what)}</p><pre>{_text(line)}</pre>' for what, line in commands)


def _class_table(rows: Sequence[ClassRow]) -> str:
    head = ''.join(f'<th scope="col">{name}</th>' for name in (
        'class', 'boxes to train on', 'to validate', 'AP before', 'AP after', 'threshold', 'F1',
        'precision', 'recall'))
    body = ''.join(
        f'<tr><th scope="row">{_text(row.name)}</th><td>{row.trained}</td>'
        f'<td>{row.threshold.true}</td><td>{number(row.before)}</td><td>{number(row.after)}</td>'
        f'<td>{number(row.threshold.score)}</td><td>{number(row.threshold.f1)}</td>'
        f'<td>{number(row.threshold.precision)}</td><td>{number(row.threshold.recall)}</td></tr>'
        for row in rows)
    return ('<p>The threshold is the score with the best F1 on the validation images, where ten '
            'boxes like those of all classes count with the few of a class; F1, precision and '
            'recall are at that score, at IoU 0.5. It was chosen on the images that it is measured '
            f'on.</p><div class="wide"><table><tr>{head}</tr>{body}</table></div>')


def _confusion(table: np.ndarray, names: Sequence[str]) -> str:
    if len(names) > MAX_MATRIX:
        return f'<p>{len(names)} classes are too many for a table.</p>'
    columns = [*names, 'missed']
    head = '<td></td>' + ''.join(f'<th scope="col">{_text(name)}</th>' for name in columns)
    body = ''
    for row, name in enumerate([*names, 'nothing there']):
        total = max(int(table[row].sum()), 1)
        cells = ''
        for column, count in enumerate(table[row]):
            last = row == column == len(names)
            kind = 'right' if row == column else 'wrong'
            shade = round(float(count) / total, 2) if count and not last else 0
            cells += (f'<td class="{kind}" style="--share:{shade}">{"" if last else count or "·"}'
                      '</td>')
        body += f'<tr><th scope="row">{_text(name)}</th>{cells}</tr>'
    return ('<p>Rows: what is there. Columns: what was found at its place (IoU 0.5), at the '
            f'thresholds above.</p><div class="wide"><table class="matrix"><tr>{head}</tr>{body}'
            '</table></div>')


def _pictures(mistakes: Sequence[Mistakes], names: Sequence[str]) -> str:
    worst = [found for found in mistakes if found.weight > 0][:MAX_PICTURES]
    if not worst:
        return '<p>There is none at these thresholds.</p>'
    figures = ''
    for found in worst:
        picture = mistake_picture(found, names)
        _, content = cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        data = base64.b64encode(content.tobytes()).decode()
        wrong, missed = int((~found.right).sum()), int(found.missed.sum())
        caption = f'{Path(found.image.path).name}: {wrong} wrong, {missed} missed'
        figures += (f'<figure><img src="data:image/jpeg;base64,{data}" alt="{_text(caption)}">'
                    f'<figcaption>{_text(caption)}</figcaption></figure>')
    return ('<p><span class="key missed">missed</span> <span class="key wrong">wrong</span> '
            f'<span class="key right">right</span></p><div class="pictures">{figures}</div>')


def _cost(cost: Sequence[tuple[str, float, float]]) -> str:
    if not cost:
        return '<p>Not measured.</p>'
    body = ''.join(
        f'<tr><th scope="row">{_text(name)}</th><td>{number(before)}</td><td>{number(after)}</td>'
        f'<td>{after - before:+.3f}</td></tr>' for name, before, after in cost)
    return ('<p>How well everything else is still found: the 24 shipped photographs, 58 other '
            'names, before and after.</p><table><tr><td></td><th scope="col">before</th>'
            f'<th scope="col">after</th><th scope="col">change</th></tr>{body}</table>')
