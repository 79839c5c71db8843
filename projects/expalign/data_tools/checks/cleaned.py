"""Writing of an annotation file without what is wrong with it."""

import copy
from collections.abc import Callable, Iterable

from expalign.data_tools.coco_writer import coco_writer
from expalign.data_tools.odvg_writer import odvg_writer
from expalign.datasets.formats.coco import complete_annotation
from expalign.datasets.formats.coco_layout import COCO_LISTS
from expalign.datasets.formats.text_file import read_json
from expalign.datasets.odvg import ODVGDataset
from expalign.datasets.refs import RefsDataset

from .collected import Entry
from .instance_checks import Decision

Kept = Iterable[tuple[Entry, list[Decision]]]


def writer_of(dataset) -> Callable[[object, str, Kept], tuple[int, int]]:
    """The function that writes a cleaned file of a data set.

    Raises:
        ValueError: official references, which name their objects by id and would miss them.
    """
    if isinstance(dataset, RefsDataset):
        raise ValueError(f"--fix-to cannot clean the references '{dataset.refs_file}': "
                         'convert them with refcoco2odvg.py and clean the result')
    return _write_odvg if isinstance(dataset, ODVGDataset) else _write_coco


def _write_coco(dataset, path: str, kept: Kept) -> tuple[int, int]:
    """Write in COCO's layout; returns the numbers of images and annotations."""
    content = read_json(dataset.ann_file, dataset.backend_args, 'annotation file')
    extra = {key: value for key, value in content.items() if key not in COCO_LISTS}
    with coco_writer(path, content.get('categories', ()), **extra) as writer:
        for entry, decisions in kept:
            writer.add_image(entry.raw)
            for raw, decision in zip(entry.sources, decisions, strict=True):
                writer.add_annotation(_cleaned(raw, decision))
            for raw in entry.asides:
                writer.add_annotation(raw)
    return writer.num_images, writer.num_annotations


def _cleaned(raw: dict, decision: Decision) -> dict:
    annotation, completed = dict(raw), dict(raw)
    complete_annotation(completed, '')
    annotation.update({key: completed[key] for key in ('area', 'iscrowd') if key in raw})
    if not decision.keep_mask:
        del annotation['segmentation']
    if decision.cut:
        x1, y1, x2, y2 = decision.box
        annotation['bbox'] = [x1, y1, x2 - x1, y2 - y1]
        if not annotation.get('segmentation'):
            annotation['area'] = (x2 - x1) * (y2 - y1)
    return annotation


def _write_odvg(dataset, path: str, kept: Kept) -> tuple[int, int]:
    """Write JSON lines; returns the numbers of lines and boxes."""
    with odvg_writer(path) as writer:
        for entry, decisions in kept:
            writer.add(_cleaned_line(entry, decisions))
    return writer.num_records, writer.num_boxes


def _cleaned_line(entry: Entry, decisions: list[Decision]) -> dict:
    line = copy.deepcopy(entry.raw)
    part, key = ('detection', 'instances') if 'detection' in line else ('grounding', 'regions')
    parts: dict[int, list] = {}
    for (index, place), instance, decision in zip(
            entry.sources, entry.record['instances'], decisions, strict=True):
        mask = instance.get('mask') if decision.keep_mask else None
        parts.setdefault(index, []).append((place, decision.box, mask))
    line[part][key] = [_cleaned_part(line[part][key][index], kept)
                       for index, kept in parts.items()]
    return line


def _cleaned_part(part: dict, kept: list[tuple[int | None, list[float], object]]) -> dict:
    """An instance, or a region with those of its boxes that stay."""
    part = {key: value for key, value in part.items() if key not in ('mask', 'segmentation')}
    boxes, masks = [box for _, box, _ in kept], [mask for _, _, mask in kept]
    several = kept[0][0] is not None
    part['bbox'] = boxes if several else boxes[0]
    if any(masks):
        part['mask'] = masks if several else masks[0]
    return part
