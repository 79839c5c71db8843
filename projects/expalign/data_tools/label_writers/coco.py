"""COCO's layout: ``annotations.json``, and ``images``, a link to the folder of the images.

Category ids are 1, 2, ...; annotations have a ``score``. Images that could not be read have no size
and are not in it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from expalign.data_tools.coco_writer import CocoWriter, coco_writer

from .target import ImageLabels, Target, link_to_images

FILE = 'annotations.json'
DIGITS = 2  # of pixels


@contextmanager
def writer(target: Target) -> Iterator[Callable[[ImageLabels], None]]:
    """Write the file; names of images start from the root."""
    link_to_images(target, 'images')
    with coco_file(target.folder / FILE, target) as coco:
        yield lambda image: add_image(coco, image, image.name)


def coco_file(path: Path, target: Target) -> Any:
    """A :func:`~expalign.data_tools.coco_writer.coco_writer` with the target's classes."""
    categories = [dict(id=number, name=name) for number, name in enumerate(target.classes, 1)]
    return coco_writer(path, categories, info=dict(
        description=f'labels of {target.model}, made by expalign label', root=target.root))


def add_image(coco: CocoWriter, image: ImageLabels, file_name: str) -> None:
    """Add an image and its annotations."""
    if image.error is not None:
        return
    coco.add_image(dict(id=image.number, file_name=file_name, width=image.width,
                        height=image.height))
    for found in image.detections:
        left, top, right, bottom = found['box']
        width, height = round(right - left, DIGITS), round(bottom - top, DIGITS)
        annotation: dict[str, Any] = dict(
            image_id=image.number, category_id=found['label'] + 1,
            bbox=[left, top, width, height], area=round(width * height, DIGITS), iscrowd=0,
            score=found['score'])
        if 'mask' in found:
            annotation |= dict(segmentation=found['mask'], area=_area(found['mask']))
        coco.add_annotation(annotation)


def _area(mask: dict) -> int:
    import pycocotools.mask as coco_mask
    return int(coco_mask.area(dict(mask, counts=mask['counts'].encode('ascii'))))
