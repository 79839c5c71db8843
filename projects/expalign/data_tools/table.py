"""Tables of text: csv of any usual separator, with or without a header."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from expalign.limits import LIST_BYTES

from .coordinates import number_of
from .plain_text import read_text

SEPARATORS = ',;\t|'
VIA_COLUMNS = {'filename', 'region_shape_attributes', 'region_attributes'}
VIA3_MARK = 'CSV_HEADER = metadata_id'
MAX_FIELD = 2**24  # letters of a value
HEAD = 2**16  # bytes that tell what a table is


class Table(NamedTuple):
    """A table.

    Attributes:
        header: names of the columns; empty where the first row is data.
        rows: the line where a row ends, and its values: by column, or by position.
    """

    header: list[str]
    rows: list[tuple[int, dict]]


def read_table(path: Path, columns: list[str] | None = None) -> Table:
    """Read a table; lines that are empty, or begin with '# ', do not count.

    Args:
        path: the file, UTF-8.
        columns: names of the columns of a table without a header.

    Raises:
        ValueError: the file is no text, is larger than the limit, or a row has more values than
            there are columns; the message has the line.
    """
    rows = read_rows(path)
    header = columns or []
    if rows and not columns and is_header(rows[0][1]):
        header = _header(rows.pop(0)[1])
    return Table(header, [(line, _by_column(row, header, path, line)) for line, row in rows])


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a table, a header included, with their lines."""
    return list(_rows(read_text(path, LIST_BYTES).splitlines(keepends=True), path))


def head_of_table(path: Path) -> list[list[str]]:
    """The first rows of a file that may be a table; none where it is not."""
    with open(path, 'rb') as file:
        content = file.read(HEAD)
    lines = content.decode('utf-8-sig', 'replace').splitlines(keepends=True)
    try:
        return [row for _, row in _rows(lines[:-1] if len(content) == HEAD else lines, path)]
    except ValueError:
        return []


def via_table(path: Path) -> int | None:
    """2 for an export of VIA 1 or 2, 3 for one of VIA 3; None for another table."""
    with open(path, 'rb') as file:
        if VIA3_MARK.encode() in file.read(HEAD):
            return 3
    head = head_of_table(path)
    return 2 if head and set(_header(head[0])) >= VIA_COLUMNS else None


def _rows(lines: list[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    first = next((line for line in lines if _counts(line)), '')
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader((line if _counts(line) else '\n' for line in lines),
                        delimiter=separator, skipinitialspace=True)
    limit = csv.field_size_limit(MAX_FIELD)
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if any(values):
                # Where ';' separates, numbers may have a comma.
                yield reader.line_num, [*map(_with_point, values)] if separator == ';' else values
    except csv.Error as error:
        raise ValueError(f"'{path}', line {reader.line_num}: not a csv file: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.startswith('# ')


def _with_point(value: str) -> str:
    changed = value.replace(',', '.')
    return changed if value.count(',') == 1 and number_of(changed) is not None else value


def is_header(row: list[str]) -> bool:
    """Whether a first row is a header: it has no number, and a row of data has four."""
    return not any(number_of(value) is not None for value in row) and sum(map(bool, row)) > 1


def _header(row: Iterable[str]) -> list[str]:
    return [name.lstrip('#').strip() for name in row]


def _by_column(row: list[str], header: list[str], path: Path, line: int) -> dict:
    if not header:
        return dict(enumerate(row))
    if len(row) > len(header) and any(row[len(header):]):
        raise ValueError(f"'{path}', line {line}: {len(row)} values for the {len(header)} columns "
                         f'{", ".join(header)}')
    return dict(zip(header, row + [''] * (len(header) - len(row)), strict=False))
