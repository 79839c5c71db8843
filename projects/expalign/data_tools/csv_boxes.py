"""Tables of boxes (csv), one box a row, under all usual names of columns."""

from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path

from expalign.utils.shown import shown
from expalign.utils.tally import Tally

from .box_columns import FORMS, BoxColumns, find_columns, guess_columns, likely_form
from .coordinates import number_of, whole_of
from .image_index import ImageIndex, SeveralImages
from .image_size import image_size
from .label_files import image_folder, label_files
from .labelled import BadLabel, LabelledImage, LabelledObject, LabelSource
from .split_names import grouped_files, split_of_file, split_word
from .table import Table, head_of_table, is_header, read_rows, read_table, via_table
from .yolo_images import files_below

CSV = 'csv of boxes'
SUFFIXES = ('.csv', '.tsv')
SAMPLE = 300  # rows that tell what is in a column
MID = '/m/'  # how names of OpenImages begin
SHARE = 1.001  # largest number that may be a share of a side


def read_csv(source: str | Path, images: str | Path | None = None,
             only: Iterable[Path] | None = None, columns: list[str] | None = None,
             name: str | None = None) -> LabelSource:
    """Find the tables of a data set, one for each split, or one with a column ``split``.

    Args:
        source: a file, or a folder that has some at any depth.
        images: folder of the images; by default that of ``source``, or the one above
            where it has no image.
        only: the files that may be read; by default all below ``source``.
        columns: names of the columns of tables without a header.
        name: the class of all boxes, where the tables have none.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: there is no table of boxes, or it is not clear what is in its columns.
    """
    root, files = label_files(source, SUFFIXES, only)
    if Path(source).is_dir():
        files = [path for path in files if is_box_table(path)]
    if not files:
        raise ValueError(f"'{source}' has no csv file whose columns are an image and a box, such "
                         'as filename, class, xmin, ymin, xmax, ymax')
    folder = image_folder(root, images)
    result, splits = LabelSource(CSV, folder, {}, files), {}
    for path in files:
        table = _Table(path, root, folder, columns, name, result.notes)
        for split, lines in table.splits().items():
            splits.setdefault(split, []).append((path, (table, lines)))
    for split, found in grouped_files(splits).items():
        parts = [part for _, part in found]
        result.splits[split] = partial(_read_split, parts=parts)
        result.count[split] = sum(len(lines) for _, lines in parts)
    return result


def is_box_table(path: Path) -> bool:
    """Whether a csv file is a table of boxes, by its first rows."""
    rows = head_of_table(path)
    if len(rows) < 1 or via_table(path) is not None:
        return False
    if is_header(rows[0]):
        return find_columns([name.lstrip('#').strip() for name in rows[0]]) is not None
    return any(sum(number_of(value) is not None for value in row) >= 4 and any(
        Path(value).suffix.lower() in ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
        for value in row) for row in rows[:SAMPLE])


class _Table:
    """A table of boxes, with what its columns are."""

    def __init__(self, path: Path, root: Path, images: Path, columns: list[str] | None,
                 name: str | None, notes: list[str]) -> None:
        self.path, self.root, self.name = path, root, name
        self.table = read_table(path, columns)
        self._index = cache(lambda: ImageIndex(images, Tally()))
        self.size_of = cache(self._size_of)
        if not self.table.rows:
            raise ValueError(f"'{path}' has no row of data")
        try:
            self.columns = self._columns(self.table)
        except BadLabel as error:
            raise ValueError(
                f"'{path}': {error}. Write a first line with the names of the columns, such as "
                'filename,class,xmin,ymin,xmax,ymax; or convert it by expalign convert '
                'csv2coco, which has --columns') from None
        if self.columns.label is None and name is None:
            raise ValueError(f"'{path}' has no column with the class, such as 'class' or 'label': "
                             'convert it by expalign convert csv2coco, which has --name NAME')
        self.names = _descriptions(root) if self._has_mids() else {}
        self.shares = self._settle_form()
        unused = [str(c) for c in self.table.header if c not in self.columns.used() and c]
        notes.append(f"'{path.relative_to(root)}': boxes are {self.columns.form}" + (
            ', as shares of the sides' if self.shares else '') + (
            f'; columns that are not used: {", ".join(unused)}' if unused else ''))

    def _columns(self, table: Table) -> BoxColumns:
        if table.header:
            found = find_columns(table.header)
            if found is None:
                raise BadLabel(f'the columns {shown(", ".join(table.header))} are not those of '
                               'boxes')
            return found
        return guess_columns([row for _, row in table.rows[:SAMPLE]],
                             lambda text: self._find(text) is not None, self.size_of)

    def _find(self, name: str) -> Path | None:
        try:
            return self._index().find(name, self.path.parent)
        except SeveralImages:
            return None

    def _size_of(self, name: str) -> tuple[int, int] | None:
        file = self._find(name)
        try:
            return None if file is None else image_size(file)
        except OSError:
            return None

    def _has_mids(self) -> bool:
        label = self.columns.label
        return label is not None and any(
            row.get(label, '').startswith(MID) for _, row in self.table.rows[:SAMPLE])

    def _settle_form(self) -> bool:
        """Whether the numbers are shares; the form is corrected where it cannot be meant."""
        values, names, largest, whole = [], [], 0.0, True
        for _, row in self.table.rows:
            try:
                numbers = self.columns.numbers(row)
            except BadLabel:  # said when the row is read
                continue
            if numbers is not None:
                largest = max(largest, *numbers)
                whole = whole and all(v == int(v) for v in numbers)
                if len(values) < SAMPLE:
                    values.append(numbers)
                    names.append(row.get(self.columns.image, ''))
        shares = bool(values) and largest <= SHARE and not whole
        sizes = [(1, 1) if shares else self.size_of(name) for name in names]
        self.columns.form = likely_form(self.columns.form, values, sizes)
        return shares

    def splits(self) -> dict[str | None, list[tuple[int, dict]]]:
        """The rows of each split."""
        column = self.columns.split
        by_file = split_of_file(self.path, self.root)
        if column is None:
            return {by_file: self.table.rows}
        parts: dict[str | None, list] = {}
        for line, row in self.table.rows:
            parts.setdefault(split_word(row.get(column, '')) or by_file, []).append((line, row))
        return parts

    def add_to(self, images: dict[tuple, LabelledImage], rows: list[tuple[int, dict]]
               ) -> Iterator[BadLabel]:
        """Put the boxes of some rows to their images; yields what is of none.

        Args:
            images: those of all tables of a split, by folder, name and kind of numbers.
            rows: with their lines.
        """
        for line, row in rows:
            name, where = row.get(self.columns.image, ''), f'{self.path}, line {line}'
            if not name:
                yield BadLabel(f'{where}: no name of an image')
                continue
            key = self.path.parent, name, self.shares
            if key not in images:
                images[key] = LabelledImage(where, self.path.parent, [name], self._annotated(row),
                                            shares=self.shares)
            try:
                obj = self._object(row)
            except BadLabel as error:
                images[key].problems.append(f'{self.path.name}, line {line}: {error}')
                continue
            images[key].objects += [] if obj is None else [obj]

    def _annotated(self, row: dict) -> tuple[int, int] | None:
        if self.columns.size is None:
            return self.size_of(row.get(self.columns.image, ''))
        width, height = (whole_of(row.get(column)) for column in self.columns.size)
        return (width, height) if width and height and min(width, height) > 0 else None

    def _object(self, row: dict) -> LabelledObject | None:
        numbers = self.columns.numbers(row)
        if numbers is None:
            return None
        label = self.name if self.columns.label is None else row.get(self.columns.label, '')
        if label.startswith(MID) and self.names:
            if label not in self.names:
                raise BadLabel(f'{shown(label)} is not in the table of class descriptions')
            label = self.names[label]
        crowd = self.columns.group is not None and row.get(self.columns.group) in ('1', 'True')
        return LabelledObject(label, FORMS[self.columns.form](*numbers), crowd=crowd)


def _read_split(tally: Tally, parts: list[tuple[_Table, list[tuple[int, dict]]]]
                ) -> Iterator[LabelledImage | BadLabel]:
    images: dict[tuple, LabelledImage] = {}
    for table, rows in parts:  # a table for each class is usual
        yield from table.add_to(images, rows)
    yield from images.values()


def _descriptions(root: Path) -> dict[str, str]:
    """Names of OpenImages' classes by their codes."""
    for path in files_below(root):
        if path.suffix.lower() == '.csv':
            head = head_of_table(path)[-1:]
            if head and len(head[0]) == 2 and head[0][0].startswith(MID):
                return {row[0]: row[1] for _, row in read_rows(path) if len(row) > 1}
    raise ValueError(f"'{root}': the classes are codes such as '/m/01g317', and no file of their "
                     "names is there: put OpenImages' class-descriptions-boxable.csv beside")
