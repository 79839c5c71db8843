"""Writing of ODVG files: JSON lines, one image each, checked by reading them back.

A line is mmdet's: ``filename``, ``height``, ``width`` and either ``detection`` (``instances`` of
``bbox`` xyxy in pixels, ``label``, ``category``) or ``grounding`` (``caption`` and ``regions`` of
``bbox``, ``phrase``, ``tokens_positive``). An instance or region may have a ``mask``: a COCO
segmentation, for a region with several boxes a list of them; and ``iscrowd``.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expalign.utils import finished_file
from expalign.utils.progress import progress


def num_boxes(record: dict) -> int:
    """The number of boxes of an ODVG record."""
    if 'detection' in record:
        return len(record['detection']['instances'])
    boxes = (region['bbox'] for region in record['grounding']['regions'])
    return sum(len(box) if box and isinstance(box[0], list) else 1 for box in boxes)


def to_json(record: dict) -> str:
    """A record as a line, without the line break."""
    return json.dumps(record, ensure_ascii=False, separators=(',', ':'))


class ODVGWriter:
    """Appends records and counts them."""

    def __init__(self, file) -> None:
        self._file = file
        self.num_records = self.num_boxes = 0

    def add(self, record: dict) -> None:
        """Write one image."""
        self.add_line(to_json(record), num_boxes(record))

    def add_line(self, line: str, boxes: int) -> None:
        """Write one image that is JSON already and has so many boxes."""
        try:
            self._file.write(line + '\n')
        except UnicodeEncodeError:  # half a letter, such as '\\ud800', only JSON can hold
            self._file.write(json.dumps(json.loads(line), separators=(',', ':')) + '\n')
        self.num_records += 1
        self.num_boxes += boxes


@contextmanager
def odvg_writer(path: str | Path) -> Iterator[ODVGWriter]:
    """An :class:`ODVGWriter` whose file takes its name when all is written and read back.

    Raises:
        RuntimeError: the file, read back, has other counts than were written.
    """
    with finished_file(path) as temporary:
        with open(temporary, 'w', encoding='utf-8') as file:
            writer = ODVGWriter(file)
            yield writer
        found = count_records(temporary, f'check {Path(path).name}')
        if found != (writer.num_records, writer.num_boxes):
            raise RuntimeError(
                f'{path}: {writer.num_records} images with {writer.num_boxes} boxes were written, '
                f'{found[0]} with {found[1]} can be read back; it was not kept. '
                'Is the disk full?')


def count_records(path: str | Path, description: str) -> tuple[int, int]:
    """Number of images and of boxes of an ODVG file."""
    records = boxes = 0
    with open(path, encoding='utf-8') as file:
        for line in progress(file, description):
            records += 1
            boxes += num_boxes(json.loads(line))
    return records, boxes


def write_label_map(path: str | Path, names: list[str]) -> None:
    """Write the names by label as mmdet's ``label_map_file``: ``{"0": name, ...}``."""
    with finished_file(path) as temporary:
        content = {str(label): name for label, name in enumerate(names)}
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding='utf-8')
