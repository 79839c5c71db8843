"""Which label formats the files below a folder are in, by what is in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from expalign.datasets.formats.text_file import read_json
from expalign.utils.file_kinds import special_kind
from expalign.utils.shown import shown

from .csv_boxes import CSV, is_box_table
from .csv_boxes import SUFFIXES as TABLES
from .cvat import CVAT
from .cvat import ROOT as CVAT_ROOT
from .json_kinds import COCO, LABELME, VIA, json_kind
from .table import head_of_table, is_header, via_table
from .voc import ROOT as VOC_ROOT
from .xml_file import root_of
from .yolo_images import IMAGE_SUFFIXES, files_below
from .yolo_yaml import is_yaml, read_description

YOLO, VOC = 'YOLO', 'Pascal VOC'
MARK = 'expalign_conversion.json'  # in folders that a conversion wrote
MARKS = ({MARK}, {'plan.json', 'config.py'})  # and in those of expalign train
MARK_NAMES = set().union(*MARKS)
XML_KINDS = {VOC_ROOT: VOC, CVAT_ROOT: CVAT}
LOOKED_FOR = (COCO, 'YOLO (data.yaml, or images/ and labels/)', f'{VOC} xml', LABELME, VIA, CVAT,
              CSV)
MAX_TRIED = 50  # text files that are looked into for labels of YOLO


@dataclass
class Scan:
    """What is below a folder.

    Args:
        found: files by format.
        contents: of COCO's files, which are large and read once.
        others: files that hold no labels that are known, by suffix.
        tables: the first of the tables among them, and its first row.
        broken: what is wrong with JSON files that cannot be read.
        images: how many there are, by their names.
    """

    found: dict[str, list[Path]] = field(default_factory=dict)
    contents: dict[Path, dict] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    tables: str = ''
    broken: list[str] = field(default_factory=list)
    images: int = 0

    def add(self, kind: str | None, path: Path) -> None:
        """Count a file."""
        if kind is None:
            self.others[path.suffix.lower()] = self.others.get(path.suffix.lower(), 0) + 1
        else:
            self.found.setdefault(kind, []).append(path)

    def described(self) -> str:
        """What was found, in words."""
        parts = [f'{self.images} images']
        parts += [f'{kind} ({len(files)} file{"s" * (len(files) > 1)}, such as {files[0].name})'
                  for kind, files in self.found.items()]
        parts += [f'{count} other {suffix} files' for suffix, count in self.others.items()]
        return ', '.join(parts) + self.tables


def own_files(root: Path, without: Path | None = None) -> Iterator[Path]:
    """The files below a folder that are the user's: none of ``without``, conversions and runs."""
    files = list(files_below(root))
    names: dict[Path, set[str]] = {}
    for path in files:
        if path.name in MARK_NAMES:
            names.setdefault(path.parent, set()).add(path.name)
    skipped = {folder for folder, found in names.items() if any(mark <= found for mark in MARKS)}
    for path in files:
        if without is not None and path.is_relative_to(without):
            continue
        if not skipped or not any(parent in skipped for parent in path.parents):
            yield path


def scan_files(files: list[Path], root: Path) -> Scan:
    """Look into the files that may hold labels."""
    scan, labelme_folders, texts, stems = Scan(), set(), [], set()
    for path in files:
        suffix = path.suffix.lower()
        if path.name.startswith('.') or special_kind(path):  # a pipe may never end
            continue
        if suffix in IMAGE_SUFFIXES:
            scan.images += 1
            stems.add(path.with_suffix(''))
        elif suffix == '.xml':
            scan.add(XML_KINDS.get(root_of(path)), path)
        elif suffix in TABLES:
            kind = _table_kind(path)
            scan.add(kind, path)
            if kind is None:
                scan.tables = scan.tables or _columns_of(path)
        elif suffix == '.json' and path.parent in labelme_folders:
            scan.add(LABELME, path)
        elif suffix == '.json':
            try:
                content = read_json(str(path), what='annotation file')
            except ValueError as error:
                scan.broken.append(str(error))
                continue
            kind = json_kind(content)
            scan.add(kind, path)
            if kind == COCO:
                scan.contents[path] = content
            elif kind == LABELME:
                labelme_folders.add(path.parent)
        elif is_yaml(path) or suffix == '.data':
            scan.add(YOLO if _describes_yolo(path) else None, path)
        elif suffix == '.txt':
            texts.append(path)
    if YOLO not in scan.found:
        for path in _yolo_labels(texts, stems)[:MAX_TRIED]:
            scan.add(YOLO, path)
    return scan


def _table_kind(path: Path) -> str | None:
    if via_table(path) is not None:
        return VIA
    return CSV if is_box_table(path) else None


def _columns_of(path: Path) -> str:
    """What a table lacks that is none of boxes."""
    rows = head_of_table(path)
    if not rows or not is_header(rows[0]):
        return ''
    return (f'. {path.name} has the columns {shown(", ".join(rows[0]))}: boxes need the name of an '
            'image and four numbers, such as filename, xmin, ymin, xmax, ymax, class')


def _describes_yolo(path: Path) -> bool:
    try:
        content = read_description(path)
    except ValueError:
        return False
    return 'train' in content or 'names' in content


def _yolo_labels(texts: list[Path], stems: set[Path]) -> list[Path]:
    """Text files that are the labels of an image, by place and first row."""
    found = []
    for path in texts:
        parts = [*path.parts]
        beside = [path.with_suffix('')]
        for index, part in enumerate(parts[:-1]):
            if part.lower() == 'labels':
                for images in ('images', 'Images', 'JPEGImages'):
                    beside.append(Path(*parts[:index], images, *parts[index + 1:]).with_suffix(''))
        if any(stem in stems for stem in beside) and _is_row(path):
            found.append(path)
    return found


def _is_row(path: Path) -> bool:
    """Whether a file begins as YOLO's labels do, or is empty."""
    try:
        with open(path, encoding='utf-8') as file:
            words = file.readline(1000).split()
        return not words or len(words) > 4 and all(float(word) is not None for word in words)
    except (OSError, ValueError):
        return False
