"""MDETR's grounding files and RefCOCO's official files to ODVG grounding lines."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from expalign.datasets.formats.leakage import CocoLeakage, RefCocoLeakage
from expalign.datasets.formats.mdetr import parse_image
from expalign.datasets.formats.odvg import to_line
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.datasets.formats.refs import read_refs, records_by_image, refs_of_splits
from expalign.utils import check_outputs
from expalign.utils.progress import progress
from expalign.utils.tally import Tally

from .coco_entries import record_id
from .coco_stream import stream
from .coco_to_odvg import MAX_BAD
from .file_names import check_inside
from .grouping import images_with_annotations
from .odvg_writer import odvg_writer

Leakage = CocoLeakage | RefCocoLeakage | None
ANNOTATION_FIELDS = ('id', 'bbox', 'tokens_positive', 'iscrowd', 'segmentation')


def convert_mdetr(source: str | Path, output: str | Path, leakage: Leakage = None,
                  whole_caption: bool = False, max_bad: int = MAX_BAD,
                  allow_outside: bool = False) -> Tally:
    """Convert a file in MDETR's form: one line for each image entry, that is, each caption.

    Args:
        source: Flickr30k "separateGT", GQA "mixed", or ``finetune_refcoco*``.
        output: ODVG file to write.
        leakage: which images are dropped; None drops none.
        whole_caption: whether each box is named by the whole caption (referring data).
        max_bad: wrong annotations that are skipped and counted; one more is an error.
        allow_outside: whether file names may lead out of the folder of images.

    Returns:
        What was read, written and left out.

    Raises:
        ValueError: the file is not in MDETR's form, or has more than ``max_bad`` wrong annotations.
    """
    check_outputs([output], [source])
    tally = Tally()
    problems = AnnotationProblems(str(source), max_bad=max_bad)
    pairs = images_with_annotations(source, tally, annotation_fields=ANNOTATION_FIELDS)
    kept = (pair for pair in pairs if _is_kept(pair[0], leakage, tally))
    records = (parse_image(image, annotations, problems, whole_caption)
               for image, annotations in kept)
    _write(_inside(records, source, allow_outside), output, tally)
    tally.note_left_out(problems.counts)
    return tally


def convert_refs(refs_file: str | Path, instances_file: str | Path, output: str | Path,
                 splits: Sequence[str] = ('train',), leakage: Leakage = None,
                 max_bad: int = MAX_BAD, allow_outside: bool = False) -> Tally:
    """Convert official ``refs(*).p`` and ``instances.json``: one line for each image.

    A phrase is the first expression of an object; its other wordings are ``synonyms``. Only the
    images and objects that are referred to are kept in memory. Arguments as in
    :func:`convert_mdetr`.

    Raises:
        ValueError: no such split, a damaged or unsafe pickle, or too many wrong references.
    """
    check_outputs([output], [refs_file, instances_file])
    tally = Tally()
    problems = AnnotationProblems(str(instances_file), max_bad=max_bad)
    refs = refs_of_splits(read_refs(str(refs_file)), splits, str(refs_file))
    tally.note('references read', count=len(refs))
    images = _wanted(instances_file, 'images', {ref['image_id'] for ref in refs})
    objects = _wanted(instances_file, 'annotations', {ref['ann_id'] for ref in refs})
    dropped = {number for number, image in images.items()
               if not _is_kept(image, leakage, tally)}
    refs = [ref for ref in refs if ref['image_id'] not in dropped]
    records = records_by_image(refs, images, objects, problems)
    _write(_inside(records, instances_file, allow_outside), output, tally,
           total=len({ref['image_id'] for ref in refs}))
    tally.note_left_out(problems.counts)
    return tally


def _is_kept(image: dict, leakage: Leakage, tally: Tally) -> bool:
    reason = leakage.reason(image) if leakage else None
    if reason is not None:
        tally.note(f'images left out: {reason}', image.get('file_name'))
    return reason is None


def _wanted(path: str | Path, key: str, ids: set) -> dict[int | str, dict]:
    """The records of a list by id, of those that are wanted."""
    found = {}
    for record in stream(path, key):
        number = record_id(record, 'id', path, f'entry of {key!r}')
        if number in ids:
            found[number] = record
    return found


def _inside(records: Iterable[dict], source: str | Path, allow: bool) -> Iterator[dict]:
    for record in records:
        check_inside(record['file_name'], source, allow)
        yield record


def _write(records: Iterable[dict], output: str | Path, tally: Tally,
           total: int | None = None) -> None:
    with odvg_writer(output) as writer:
        for record in progress(records, f'write {Path(output).name}', total):
            boxes = len(record['instances'])
            if not boxes:
                tally.note('images left out: no phrase with a box', record['file_name'])
                continue
            tally.note('phrases', count=len(record['text']))
            tally.note('instances with a mask', count=sum('mask' in i for i in record['instances']))
            writer.add_line(to_line(record), boxes)
    tally.note('images written', count=writer.num_records)
    tally.note('instances written', count=writer.num_boxes)
