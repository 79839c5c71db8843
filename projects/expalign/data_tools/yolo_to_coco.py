"""YOLO's layout to COCO's: boxes, or polygons where the labels are outlines."""

from pathlib import Path

from expalign.utils.progress import progress
from expalign.utils.tally import Tally

from .coco_folder import coco_folder
from .coco_writer import coco_writer
from .image_size import image_size
from .yolo_labels import LabelReader, label_place, note_unused
from .yolo_layout import SPLITS, YoloLayout


def convert_yolo(layout: YoloLayout, output: str | Path, images: str = 'link',
                 max_bad: int = 0) -> dict[str, Tally]:
    """Write ``output/annotations/SPLIT.json`` for every split, and ``output/SPLIT`` with images.

    Category ids are the YOLO numbers plus one. An image without a label file is a background
    image. A row of more than four numbers after the class is an outline; its box is the extent.
    All appears at the end; after an error ``output`` is as it was.

    Args:
        layout: what :func:`read_layout` found.
        output: folder to write.
        images: one of :data:`~expalign.data_tools.coco_folder.PLACES`.
        max_bad: rows of labels in no form of YOLO's that are left out; one more is an error.

    Returns:
        What was read, written and left out, by split.

    Raises:
        FileExistsError: ``output/SPLIT`` exists and is something else.
        ValueError: a label that is not YOLO's; the message names the file and the line.
    """
    output = Path(output)
    folders = {split: part.folder for split, part in layout.splits.items()}
    note_unused(layout)
    _note_shared(layout)
    with coco_folder(output, folders, images) as result:
        for split, folder in folders.items():
            written = _convert_split(layout, split, result.annotation_file(split), max_bad)
            result.place(split, folder, written)
    for split in SPLITS.keys() - layout.splits:
        if (output / 'annotations' / f'{split}.json').exists():
            layout.notes.append(f"{split}: '{output}/annotations/{split}.json' is of an earlier "
                                'conversion')
    return {split: layout.tallies[split] for split in layout.splits}


def _convert_split(layout: YoloLayout, split: str, path: Path, max_bad: int) -> list[Path]:
    """Write one annotation file; returns the images in it."""
    part, tally = layout.splits[split], layout.tallies[split]
    categories = [{'id': n + 1, 'name': name} for n, name in sorted(layout.names.items())]
    label_of, labels = label_place(part.files), LabelReader(layout, tally, max_bad)
    written = []
    with coco_writer(path, categories) as writer:
        for file in progress(part.files, split):
            try:
                name = file.relative_to(part.folder).as_posix()
                name.encode()
                width, height = image_size(file)
            except UnicodeEncodeError:
                tally.note('images left out: their file name is no text in UTF-8', file)
                continue
            except OSError:
                tally.note('images left out: missing or not readable', file)
                continue
            written.append(file)
            number = len(written)
            writer.add_image({'id': number, 'file_name': name, 'width': width, 'height': height})
            for annotation in labels.annotations(label_of(file), (width, height)):
                writer.add_annotation({**annotation, 'image_id': number})
        if not writer.num_images:
            raise ValueError(f'none of the {len(part.files)} images of {split!r} can be read, such '
                             f"as '{part.files[0]}'")
    tally.note('images written', count=writer.num_images)
    tally.note('annotations written', count=writer.num_annotations)
    if split != 'test' and len(part.files) > 1 and not writer.num_annotations:
        expected = f"'{label_of(part.files[0])}' for '{part.files[0]}'"
        raise ValueError(f'the {len(part.files)} images of {split!r} have no labels: ' + (
            f'all {labels.files} label files are empty or left out, such as {expected}'
            if labels.files else f'they are expected in {expected}'))
    return written


def _note_shared(layout: YoloLayout) -> None:
    """Count the images that a split shares with the training split."""
    train = set(layout.splits['train'].files)
    for split in layout.splits.keys() - {'train'}:
        shared = train.intersection(layout.splits[split].files)
        if shared:
            layout.tallies[split].note('images that are in train, too', min(shared), len(shared))

