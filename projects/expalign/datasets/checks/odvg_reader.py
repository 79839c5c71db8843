"""ODVG files as lists of :class:`Entry`, and the writer of a cleaned one."""

import copy
from collections.abc import Iterator

from mmengine.fileio import join_path

from expalign.convert.data.odvg_writer import odvg_writer

from ..annotation_file import check_annotation_file
from ..formats.odvg import parse_label_map
from ..formats.record import clean_phrase
from ..formats.text_file import read_json, read_json_lines
from .entries import Decision, Entry, Item, Prompts
from .findings import Findings
from .readers import safe_size


class ODVGReader:
    """JSON lines for detection and grounding.

    Args:
        dataset: an ``ODVGDataset`` that was built with ``lazy_init=True``.
    """

    text_kind = 'grounding'  # an image may have several lines

    def __init__(self, dataset) -> None:
        self.dataset = dataset
        self.folder = dataset.data_prefix.get('img', '')
        check_annotation_file(
            dataset.ann_file, "'ann_file' and 'data_root' of the dataset", dataset.backend_args)
        self.names: list[str] = []
        if dataset.label_map_file:
            check_annotation_file(dataset.label_map_file, "'label_map_file' of the dataset")
            self.names = parse_label_map(
                read_json(dataset.label_map_file), dataset.label_map_file)
            self.text_kind = 'detection'

    def prompts(self) -> Prompts:
        """The label map's names."""
        return Prompts(tuple(self.names) or None)

    def entries(self, findings: Findings) -> Iterator[Entry]:
        """All lines."""
        for number, line in read_json_lines(self.dataset.ann_file, self.dataset.backend_args):
            name = line.get('filename')
            if not isinstance(name, str) or not ('detection' in line or 'grounding' in line):
                findings.problems.note("lines without 'filename', or without both 'detection' and "
                                       "'grounding'", f'line {number}')
                continue
            path = join_path(self.folder, name) if self.folder else name
            items = list(self._items(line))
            yield Entry(line | dict(file_name=name), name, path, safe_size(line), items)

    def _items(self, line: dict) -> Iterator[Item]:
        if 'detection' in line:
            for index, entry in enumerate(line['detection']['instances']):
                yield Item(entry.get('bbox'), self._name(entry), _mask(entry),
                           bool(entry.get('iscrowd')), (index, None))
            return
        for index, region in enumerate(line['grounding']['regions']):
            phrase = region.get('phrase')
            phrase = ' '.join(map(str, phrase)) if isinstance(phrase, list) else phrase
            name = clean_phrase(phrase) or None if isinstance(phrase, str) else None
            boxes, masks = region.get('bbox'), _mask(region)
            several = bool(boxes) and isinstance(boxes, list) and isinstance(boxes[0], list)
            for place, box in enumerate(boxes if several else [boxes]):
                mask = (masks[place] if masks else None) if several else masks
                yield Item(box, name, mask, bool(region.get('iscrowd')),
                           (index, place if several else None))

    def _name(self, entry: dict) -> str | None:
        label = str(entry.get('label'))
        if not label.isdecimal() or int(label) >= len(self.names):
            return None
        return self.names[int(label)]

    def write(self, path: str, kept: Iterator[tuple[Entry, list[Decision]]]) -> tuple[int, int]:
        """Write a cleaned file; returns the numbers of lines and boxes."""
        with odvg_writer(path) as writer:
            for entry, decisions in kept:
                writer.add(_cleaned(entry, decisions))
        return writer.num_records, writer.num_boxes


def _mask(entry: dict) -> list | dict | None:
    return entry.get('mask', entry.get('segmentation'))


def _cleaned(entry: Entry, decisions: list[Decision]) -> dict:
    line = copy.deepcopy(entry.raw)
    del line['file_name']
    part, key = ('detection', 'instances') if 'detection' in line else ('grounding', 'regions')
    parts: dict[int, list] = {}
    for item, decision in zip(entry.items, decisions, strict=True):
        if decision.box is not None:
            parts.setdefault(item.key[0], []).append((item, decision))
    line[part][key] = [_cleaned_part(line[part][key][index], kept) for index, kept in parts.items()]
    return line


def _cleaned_part(part: dict, kept: list[tuple[Item, Decision]]) -> dict:
    """An instance, or a region with those of its boxes that stay."""
    part = {key: value for key, value in part.items() if key not in ('mask', 'segmentation')}
    boxes = [decision.box for _, decision in kept]
    masks = [item.mask if decision.keep_mask else None for item, decision in kept]
    several = kept[0][0].key[1] is not None
    part['bbox'] = boxes if several else boxes[0]
    if any(masks):
        part['mask'] = masks if several else masks[0]
    return part
