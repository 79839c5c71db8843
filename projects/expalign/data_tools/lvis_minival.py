"""LVIS minival: the part of LVIS v1 val that lies in COCO val2017."""

from pathlib import Path

from expalign.utils import check_outputs
from expalign.utils.tally import Tally

from .coco_stream import field, stream
from .coco_writer import coco_writer

MINIVAL_FOLDER = 'val2017'
OFFICIAL_VAL_IMAGES, OFFICIAL_MINIVAL_IMAGES = 19_809, 4_809


def coco_path(image: dict, path: str | Path) -> str:
    """Folder and name of an LVIS image below COCO's folder, such as ``val2017/000000000139.jpg``.

    LVIS gives no file name, only the address of the image at COCO.
    """
    return '/'.join(str(field(image, 'coco_url', path, 'image')).split('/')[-2:])


def extract_minival(source: str | Path, output: str | Path) -> Tally:
    """Write the images of ``source`` whose ``coco_url`` lies in val2017, with their annotations.

    Every member of the kept records, and the categories, stay as they are.

    Raises:
        ValueError: no image lies in val2017, or ``source`` has as many images as the official
            val file and another number of them does.
    """
    check_outputs([output], [source])
    tally, kept, total = Tally(), [], 0
    for image in stream(source, 'images'):
        total += 1
        if coco_path(image, source).split('/')[0] == MINIVAL_FOLDER:
            kept.append(image)
    if not kept:
        raise ValueError(f'{source}: none of {total} images has a coco_url in {MINIVAL_FOLDER}/: '
                         'give the official lvis_v1_val.json')
    if total == OFFICIAL_VAL_IMAGES and len(kept) != OFFICIAL_MINIVAL_IMAGES:
        raise ValueError(
            f'{source}: {len(kept)} of {total} images lie in {MINIVAL_FOLDER}/, where the official '
            f'file has {OFFICIAL_MINIVAL_IMAGES}: fetch it again')
    identifiers = {_key(image, 'id', source, 'image') for image in kept}
    with coco_writer(output, stream(source, 'categories')) as writer:
        for image in kept:
            writer.add_image(image)
        for annotation in stream(source, 'annotations'):
            if _key(annotation, 'image_id', source, 'annotation') in identifiers:
                writer.add_annotation(annotation)
    tally.note('images read', count=total)
    tally.note('images written', count=writer.num_images)
    tally.note('annotations written', count=writer.num_annotations)
    return tally


def _key(record: dict, key: str, path: str | Path, what: str) -> int | float | str:
    number = field(record, key, path, what)
    if not isinstance(number, int | float | str):
        raise ValueError(f"{path}: the '{key}' of an {what} must be a number or text, it is a "
                         f'{type(number).__name__}')
    return number
