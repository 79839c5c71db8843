"""FiftyOne's form of COCO's layout: ``labels.json`` and ``data``, a link to the images' folder.

``fiftyone.Dataset.from_dir(dataset_dir=FOLDER, dataset_type=fiftyone.types.COCODetectionDataset)``
reads it. Its importer takes scores for confidences. Images at addresses and in archives are
not in it: FiftyOne opens files.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from expalign.utils.file_kinds import is_address

from .coco import add_image, coco_file
from .target import ImageLabels, Target, link_to_images


@contextmanager
def writer(target: Target) -> Iterator[Callable[[ImageLabels], None]]:
    """Write the file."""
    link_to_images(target, 'data')
    with coco_file(target.folder / 'labels.json', target) as coco:
        def add(image: ImageLabels) -> None:
            if image.within is None and not is_address(image.source):
                add_image(coco, image, image.name)
            else:
                target.tally.note('fiftyone: images left out, they are no files here', image.name)
        yield add
