"""Annotations grouped by image, without holding the file in memory.

Images are numbered as the file lists them and split into parts of consecutive ones; annotations go
to the part of their image, on disk. Then one part after the other is small enough to be grouped in
memory. Beyond one part, memory holds one number an image.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from expalign.utils import scratch_folder
from expalign.utils.tally import Tally

from .coco_entries import record_id
from .coco_stream import stream

IMAGES_PER_PART = 512
MAX_PARTS = 256  # files open at a time; systems allow a thousand


def images_with_annotations(path: str | Path, tally: Tally, image_fields: Iterable[str] = (),
                            annotation_fields: Iterable[str] = ()) -> Iterator[tuple[dict, list]]:
    """Yield (image, its annotations) for every image, in the order of the file.

    Args:
        path: file in COCO's layout.
        tally: gets ``images`` and ``annotations`` read, and annotations of images that the file
            does not list, which are left out.
        image_fields: keys to keep of an image besides ``id``; all if empty. Fewer keys need less
            room on disk.
        annotation_fields: the same for annotations, besides ``image_id``.

    Raises:
        ValueError: a record without its id, an image id that occurs twice, no images.
    """
    image_keys = {'id', *image_fields} if image_fields else None
    annotation_keys = {'image_id', *annotation_fields} if annotation_fields else None
    with scratch_folder(name='expalign_convert') as folder:
        images = folder / 'images.jsonl'
        positions = _spill_images(path, images, image_keys)
        tally.note('images read', count=len(positions))
        size = max(IMAGES_PER_PART, -(-len(positions) // MAX_PARTS))
        parts = _spill_annotations(path, folder, positions, size, annotation_keys, tally)
        positions.clear()
        with images.open(encoding='utf-8') as file:
            for number, lines in enumerate(iter(lambda: list(islice(file, size)), [])):
                grouped = defaultdict(list)
                for record in _read(parts.get(number)):
                    grouped[record['image_id']].append(record)
                for image in map(json.loads, lines):
                    yield image, grouped.pop(image['id'], [])


def _spill_images(path: str | Path, target: Path, keys: set | None) -> dict:
    """Write the images as lines; returns their positions by id."""
    positions = {}
    with target.open('w', encoding='utf-8') as file:
        for image in stream(path, 'images'):
            number = image['id'] = record_id(image, 'id', path, 'image')
            if number in positions:
                raise ValueError(f'{path}: the image id {number} occurs twice')
            positions[number] = len(positions)
            file.write(json.dumps(_only(image, keys)) + '\n')
    if not positions:
        raise ValueError(f"{path} has no 'images': it is not in COCO's layout")
    return positions


def _spill_annotations(path: str | Path, folder: Path, positions: dict, size: int,
                       keys: set | None, tally: Tally) -> dict[int, Path]:
    """Write the annotations of ``size`` images each to a file; returns the files by number."""
    paths, files = {}, {}
    with ExitStack() as stack:
        for record in stream(path, 'annotations'):
            record['image_id'] = record_id(record, 'image_id', path, 'annotation')
            position = positions.get(record['image_id'])
            tally.note('annotations read')
            if position is None:
                tally.note('annotations left out: their image is not listed',
                           f"image {record['image_id']}")
                continue
            part = position // size
            if part not in files:
                paths[part] = folder / f'annotations_{part:05d}.jsonl'
                files[part] = stack.enter_context(paths[part].open('w', encoding='utf-8'))
            files[part].write(json.dumps(_only(record, keys)) + '\n')
    return paths


def _read(path: Path | None) -> Iterator[dict]:
    if path is not None:
        with path.open(encoding='utf-8') as file:
            yield from map(json.loads, file)


def _only(record: dict, keys: set | None) -> dict:
    return record if keys is None else {key: record[key] for key in keys if key in record}
