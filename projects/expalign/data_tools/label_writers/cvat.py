"""CVAT for images 1.1: ``annotations.xml``, and ``images``, a link to the folder of the images.

CVAT shows photographs upright, and so are the boxes. Masks are CVAT's own run lengths. The task
that it is imported to needs the labels, which ``labels.json`` has as CVAT's constructor takes them.
Images whose names XML cannot hold are counted.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import XMLGenerator

import numpy as np

from expalign.utils.xml_text import xml_fault

from .target import ImageLabels, Target, link_to_images

MAX_NAME = 64  # letters of a label in CVAT's data base
HEAD = 'annotations.xml'


def check_classes(classes: list[str]) -> None:
    """Refuse names that CVAT cannot hold.

    Raises:
        ValueError: a name is too long, or has a character that XML has not.
    """
    for name in classes:
        if len(name) > MAX_NAME:
            raise ValueError(f'the prompt {name!r} has {len(name)} letters, a label of CVAT at '
                             f'most {MAX_NAME}: shorten it, or leave the form cvat out')
        if (fault := xml_fault(name)) is not None:
            raise ValueError(f'the prompt {name!r} has {fault}, which XML and so CVAT cannot hold: '
                             'remove it, or leave the form cvat out')


@contextmanager
def writer(target: Target) -> Iterator[Callable[[ImageLabels], None]]:
    """Write the files."""
    link_to_images(target, 'images')
    labels = [dict(name=name, attributes=[]) for name in target.classes]
    (target.folder / 'labels.json').write_text(
        json.dumps(labels, ensure_ascii=False, indent=1), encoding='utf-8')
    with _Xml(target.folder / HEAD) as xml:
        xml.start('annotations')
        xml.leaf('version', text='1.1')
        xml.start('meta')
        xml.start('task')
        xml.leaf('name', text=f'labels of {target.model}')
        xml.leaf('mode', text='annotation')
        xml.start('labels')
        for name in target.classes:
            xml.start('label')
            xml.leaf('name', text=name)
            xml.leaf('attributes')
            xml.end('label')
        for element in ('labels', 'task', 'meta'):
            xml.end(element)
        yield lambda image: _add(xml, image, target)
        xml.end('annotations')


class _Xml:
    """Writes elements, a line each."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, 'w', encoding='utf-8')  # noqa: SIM115
        self._xml = XMLGenerator(self._file, 'utf-8', short_empty_elements=True)

    def __enter__(self) -> '_Xml':
        self._xml.startDocument()
        return self

    def __exit__(self, *_: object) -> None:
        self._xml.endDocument()
        self._file.close()

    def start(self, name: str, /, **attributes: Any) -> None:
        """Open an element."""
        self._xml.startElement(name, {key: str(value) for key, value in attributes.items()})
        self._file.write('\n')

    def leaf(self, name: str, /, text: str = '', **attributes: Any) -> None:
        """An element with a text or nothing in it."""
        self._xml.startElement(name, {key: str(value) for key, value in attributes.items()})
        self._xml.characters(text)
        self.end(name)

    def end(self, name: str) -> None:
        """Close an element."""
        self._xml.endElement(name)
        self._file.write('\n')


def _add(xml: _Xml, image: ImageLabels, target: Target) -> None:
    if image.error is not None:
        return
    if xml_fault(image.name) is not None:
        target.tally.note('cvat: images left out, XML cannot hold their names', image.name)
        return
    xml.start('image', id=image.number - 1, name=image.name, width=image.width,
              height=image.height)
    for found in image.detections:
        shape: dict[str, Any] = dict(label=found['prompt'], source='auto', occluded=0)
        if 'mask' in found and (runs := _runs(found['mask'])) is not None:
            xml.leaf('mask', **shape, **runs, z_order=0)
        else:
            sides = zip(('xtl', 'ytl', 'xbr', 'ybr'), found['box'], strict=True)
            xml.leaf('box', **shape, **{key: f'{side:.2f}' for key, side in sides}, z_order=0)
    xml.end('image')


def _runs(mask: dict[str, Any]) -> dict[str, Any] | None:
    """A mask as CVAT has it: runs along the rows of its own box, background first."""
    import pycocotools.mask as coco_mask
    pixels = coco_mask.decode(dict(mask, counts=mask['counts'].encode('ascii')))
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return None
    crop = pixels[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    changes = np.flatnonzero(np.diff(crop.ravel(), prepend=0))
    runs = np.diff(changes, prepend=0, append=crop.size)
    return dict(rle=', '.join(map(str, runs.tolist())), left=int(columns[0]), top=int(rows[0]),
                width=crop.shape[1], height=crop.shape[0])
