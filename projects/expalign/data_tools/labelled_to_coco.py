"""Labelled images of any format to COCO's: finds their files, checks their objects, writes."""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from expalign.utils import check_outputs, scratch_folder
from expalign.utils.progress import progress
from expalign.utils.tally import Tally

from .coco_folder import coco_folder
from .coco_writer import coco_writer
from .found_images import FoundImage, ImageFinder
from .image_index import ImageIndex
from .labelled import LabelSource
from .split_names import SPLITS


@dataclass
class Converted:
    """The result of a conversion.

    Args:
        kind: the format's name.
        classes: names by position; COCO's ids are these plus one.
        tallies: what was read, written and left out, by split.
        whole: the same of what belongs to no split.
        folders: where the images of each split are.
        notes: sentences about what was taken to be meant.
    """

    kind: str
    classes: tuple[str, ...] = ()
    tallies: dict[str, Tally] = field(default_factory=dict)
    whole: Tally = field(default_factory=Tally)
    folders: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def convert_labelled(source: LabelSource, output: str | Path, images: str = 'link',
                     max_bad: int = 0, val_share: float | None = None) -> Converted:
    """Write ``output/annotations/SPLIT.json`` for every split, and ``output/SPLIT`` with images.

    All appears at the end; after an error ``output`` is as it was.

    Args:
        source: what a reader found.
        output: folder to write.
        images: one of :data:`~expalign.data_tools.coco_folder.PLACES`.
        max_bad: objects and files not in their format that are left out; one more is an error.
        val_share: of the training images that become the validation split.

    Raises:
        FileExistsError: ``output/SPLIT`` exists and is something else.
        ValueError: an annotation is not in its format (the message names the file and the place),
            there is no image or no object, ``val_share`` does not fit, or a file to write is one
            to read.
    """
    check_outputs([Path(output, 'annotations', f'{split}.json') for split in SPLITS], source.files)
    result = Converted(source.kind, notes=source.notes)
    index = ImageIndex(source.root, result.whole)
    with scratch_folder(name='embedded') as scratch:
        finder = ImageFinder(index, Path(os.path.abspath(scratch)), max_bad)
        found = {}
        for split, read in source.splits.items():
            tally = result.tallies[split] = Tally()
            bar = progress(read(tally), split, source.count.get(split))
            found[split] = list(finder.images(bar, tally))
            _check_found(found[split], split, source, tally)
        if val_share is not None:
            _split_off_val(found, val_share, result)
        _note_shared(found, finder, result)
        result.classes = _class_names(source, found, result.notes)
        _write(found, Path(output), images, result)
    return result


def _check_found(found: list[FoundImage], split: str, source: LabelSource, tally: Tally) -> None:
    objects = sum(len(image.objects) for image in found)
    if not found or not objects and split != 'test':
        what = 'image that can be used' if not found else 'object'
        raise ValueError(tally.report(f"'{source.root}', {source.kind}, {split}: no {what}; images "
                                      'are looked for below this folder. What was left out:'))


def _split_off_val(found: dict[str, list[FoundImage]], share: float, result: Converted) -> None:
    """Move a share of the training images, chosen by their names, to a new validation split."""
    if 'val' in found:
        raise ValueError('--val-share: the data set has a validation split already')
    train = found['train']
    number = round(share * len(train)) if 0 < share < 1 else 0
    if not 0 < number < len(train):
        raise ValueError(f'--val-share {share:g}: {number} of {len(train)} images would be for '
                         'validation; there must be some for both')
    order = sorted(train, key=lambda image: hashlib.sha256(
        os.fsencode(image.file.name)).digest())
    chosen = {id(image) for image in order[:number]}
    found['val'] = [image for image in train if id(image) in chosen]
    found['train'] = [image for image in train if id(image) not in chosen]
    result.tallies['val'] = Tally()
    result.tallies['val'].note(f'images taken out of train (--val-share {share:g})', count=number)


def _note_shared(found: dict[str, list[FoundImage]], finder: ImageFinder, result: Converted
                 ) -> None:
    train = {image.file for image in found.get('train', ())}
    for split in found.keys() - {'train'}:
        shared = train.intersection(image.file for image in found[split])
        if shared:
            result.tallies[split].note('images that are in train, too', min(shared), len(shared))
    unused = [file for file in finder.index.files if file not in finder.used]
    if unused:
        result.whole.note('images left out: no annotation that can be used names them',
                          unused[0], len(unused))


def _class_names(source: LabelSource, found: dict[str, list[FoundImage]], notes: list[str]
                 ) -> tuple[str, ...]:
    used = Counter(name for images in found.values() for image in images
                   for name, _ in image.objects)
    listed = list(dict.fromkeys(' '.join(name.split()) for name in source.names if name.strip()))
    names = (*listed, *sorted(used.keys() - set(listed)))
    folded = Counter(name.casefold() for name in names)
    for key in (key for key, count in folded.items() if count > 1):
        alike = [f'{name!r} ({used[name]})' for name in names if name.casefold() == key]
        notes.append(f'classes that differ by case alone: {", ".join(alike)}')
    if all(name.isdigit() for name in names):
        notes.append('the classes are called by numbers: prompts are words, so give them names')
    return names


def _write(found: dict[str, list[FoundImage]], output: Path, how: str, result: Converted) -> None:
    folders, made = {}, {}
    for split, images in found.items():
        embedded = {image.file.name: image.content for image in images if image.content is not None}
        if embedded:
            made[split] = embedded
        files = [image.file.parent for image in images if image.content is None]
        folders[split] = Path(os.path.commonpath(files or [output.absolute()]))
    ids = {name: number for number, name in enumerate(result.classes, 1)}
    categories = [{'id': number, 'name': name} for name, number in ids.items()]
    with coco_folder(output, folders, how, made) as folder:
        for split, images in found.items():
            with coco_writer(folder.annotation_file(split), categories) as writer:
                for number, image in enumerate(images, 1):
                    name = image.file.name if image.content is not None else (
                        image.file.relative_to(folders[split]).as_posix())
                    writer.add_image({'id': number, 'file_name': name, 'width': image.size[0],
                                      'height': image.size[1]})
                    for label, annotation in image.objects:
                        writer.add_annotation(
                            {**annotation, 'image_id': number, 'category_id': ids[label]})
            folder.place(split, folders[split],
                         [image.file for image in images if image.content is None])
            tally = result.tallies[split]
            tally.note('images written', count=writer.num_images)
            tally.note('annotations written', count=writer.num_annotations)
            outlines = sum('segmentation' in a for image in images for _, a in image.objects)
            if outlines:
                tally.note('annotations with an outline or mask', count=outlines)
    result.folders = {split: output / split if split in made else place
                      for split, place in folders.items()}
