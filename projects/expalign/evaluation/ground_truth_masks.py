"""Masks of annotations, read before a test is run, and the instances that have none."""

import logging
from collections.abc import Mapping, Sequence

from mmengine.logging import print_log

from expalign.structures.instance_polygons import usable_segmentation


def read_masks(annotations: Sequence[dict], images: Mapping, source: str) -> set[int]:
    """Check every ``segmentation``; leave out of it the polygons that are none.

    Args:
        annotations: changed in place, with ids that are theirs alone.
        images: entries with ``height`` and ``width``, by their ids.
        source: the file, for messages.

    Returns:
        The ids of the annotations without a mask, which are counted in one warning.

    Raises:
        ValueError: a mask that cannot be evaluated (a damaged encoding, one of another size than
            the image, a coordinate that is no number).
    """
    maskless = set()
    for annotation in annotations:
        image = images[annotation['image_id']]
        try:
            segmentation = usable_segmentation(
                annotation.get('segmentation'), (image['height'], image['width']))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"annotation file '{source}', image {annotation['image_id']!r} "
                f"('{image.get('file_name')}'), annotation number {annotation['id']} with the "
                f"box {annotation['bbox']}: {error}") from error
        if segmentation is None:
            maskless.add(annotation['id'])
        else:
            annotation['segmentation'] = segmentation
    if maskless:
        rest = len(annotations) - len(maskless)
        print_log(
            f'{len(maskless):,} of {len(annotations):,} instances of {source} have no mask: mask '
            f'AP is over the {rest:,} others, and a mask that lies in the box of one without '
            'counts neither as a hit nor as a false alarm', 'current', logging.WARNING)
    return maskless


def ignored_region(annotation: dict) -> dict:
    """An instance without a mask, as the evaluators of masks are to see it.

    It is a crowd with its box as mask: a detection of its class of which the share that the IoU
    threshold asks for lies in it is ignored, unless an instance matches it.
    """
    x, y, width, height = annotation['bbox']
    outline = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {**annotation, 'iscrowd': 1, 'segmentation': [outline]}
