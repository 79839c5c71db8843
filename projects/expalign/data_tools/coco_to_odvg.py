"""COCO's layout to ODVG detection lines."""

import json
from collections.abc import Callable
from pathlib import Path

from expalign.datasets.formats.coco import parse_image
from expalign.datasets.formats.odvg import to_line
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.utils import check_outputs
from expalign.utils.shown import shown
from expalign.utils.tally import Tally

from .coco_entries import read_categories
from .file_names import check_inside
from .grouping import images_with_annotations
from .odvg_writer import odvg_writer, to_json, write_label_map

MAX_BAD = 100
IMAGE_FIELDS = ('file_name', 'height', 'width', 'coco_url')
ANNOTATION_FIELDS = ('id', 'bbox', 'area', 'category_id', 'iscrowd', 'ignore', 'segmentation')


def convert_coco(source: str | Path, output: str | Path, label_map: str | Path, masks: bool = True,
                 max_bad: int = MAX_BAD,
                 file_name: Callable[[dict, str | Path], str] | None = None,
                 class_fields: tuple[str, ...] = (), allow_outside: bool = False) -> Tally:
    """Convert a file in COCO's layout; images without annotations stay, as negatives.

    Args:
        source: annotation file.
        output: ODVG file to write.
        label_map: JSON file of names to write. Labels are numbered in the source's order.
        masks: whether to carry segmentations along.
        max_bad: wrong annotations that are skipped and counted; one more is an error.
        file_name: gives an image its path below the folder of images; by default ``file_name``.
        class_fields: image keys that list category ids; the lines list labels instead.
        allow_outside: whether file names may lead out of the folder of images.

    Returns:
        What was read, written and left out.

    Raises:
        ValueError: the source is not in COCO's layout, has more than ``max_bad`` wrong
            annotations, or file names that are not allowed; or ``output`` is the source.
    """
    check_outputs([output, label_map], [source])
    if Path(output).resolve() == Path(label_map).resolve():
        raise ValueError(f"'{output}' cannot be both the result and its label map")
    names = read_categories(source)
    labels, listed = {number: label for label, number in enumerate(names)}, list(names.values())
    tally, problems = Tally(), AnnotationProblems(str(source), max_bad=max_bad)
    fields = tuple(name for name in ANNOTATION_FIELDS if masks or name != 'segmentation')
    with odvg_writer(output) as writer:
        for image, annotations in images_with_annotations(
                source, tally, IMAGE_FIELDS + class_fields, fields):
            if file_name:
                image['file_name'] = file_name(image, source)
            record = parse_image(image, annotations, labels, names, problems)
            check_inside(record['file_name'], source, allow_outside)
            line = to_line(record, listed)
            if class_fields:
                extra = {key: _labels(image, key, labels, source)
                         for key in class_fields if key in image}
                line = to_json(json.loads(line) | extra)
            tally.note('instances with a mask', count=sum('mask' in i for i in record['instances']))
            writer.add_line(line, len(record['instances']))
    write_label_map(label_map, listed)
    tally.note('images written', count=writer.num_records)
    tally.note('instances written', count=writer.num_boxes)
    tally.note_left_out(problems.counts)
    return tally


def _labels(image: dict, key: str, labels: dict, source: str | Path) -> list[int]:
    """The labels of the categories that an image lists as ``key``."""
    try:
        return [labels[number] for number in image[key]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{source}: '{key}' of image {shown(image['id'])} must list ids of "
                         f'categories, got {shown(image[key])}') from error
