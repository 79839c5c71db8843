"""Writing of a file in COCO's layout, record by record, checked by reading it back."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from expalign.utils import finished_file

from .coco_stream import stream


class CocoWriter:
    """Takes images and annotations in any order; annotations wait in a file of their own."""

    def __init__(self, images, annotations) -> None:
        self._images, self._annotations = images, annotations
        self.num_images = self.num_annotations = 0

    def add_image(self, image: dict) -> None:
        """Append to ``images``."""
        _append(self._images, image, self.num_images)
        self.num_images += 1

    def add_annotation(self, annotation: dict) -> None:
        """Append to ``annotations``; an annotation without an ``id`` gets the next number."""
        _append(self._annotations, {'id': self.num_annotations + 1, **annotation},
                self.num_annotations)
        self.num_annotations += 1


def _append(file, record: dict, index: int) -> None:
    file.write(',\n' if index else '\n')
    json.dump(record, file, separators=(',', ':'))


@contextmanager
def coco_writer(path: str | Path, categories: Iterable[dict],
                **extra: object) -> Iterator[CocoWriter]:
    """A :class:`CocoWriter` whose file takes its name when all is written and read back.

    Args:
        path: file to write.
        categories: of the file.
        extra: further members, such as ``info``.

    Raises:
        RuntimeError: the file, read back, has other counts than were written.
    """
    with finished_file(path) as temporary:
        waiting = temporary.with_name(f'{temporary.name}.annotations')
        try:
            with open(temporary, 'w', encoding='utf-8') as images, \
                    open(waiting, 'w', encoding='utf-8') as annotations:
                for key, value in extra.items():
                    images.write(f'{"," if images.tell() else "{"}{json.dumps(key)}:')
                    json.dump(value, images)
                images.write(',' if extra else '{')
                images.write('"categories":')
                json.dump(list(categories), images, separators=(',', ':'))
                images.write(',\n"images":[')
                writer = CocoWriter(images, annotations)
                yield writer
                images.write('],\n"annotations":[')
            with open(temporary, 'ab') as target, open(waiting, 'rb') as source:
                shutil.copyfileobj(source, target)
                target.write(b']}\n')
        finally:
            waiting.unlink(missing_ok=True)
        _check(temporary, path, writer)


def _check(temporary: Path, path: str | Path, writer: CocoWriter) -> None:
    expected = {'images': writer.num_images, 'annotations': writer.num_annotations}
    for key, count in expected.items():
        try:
            found = sum(1 for _ in stream(temporary, key, f'check {Path(path).name}'))
        except ValueError as error:
            raise RuntimeError(f'{path}: what was written cannot be read back and was not kept '
                               f'({error})') from error
        if found != count:
            raise RuntimeError(
                f'{path}: {count} {key} were written, {found} can be read back; it was not kept. '
                'Is the disk full?')
