"""Grounding data sets in MDETR's format: Flickr30k, GQA, RefCOCO/+/g."""

from collections.abc import Iterator

from expalign.registry import DATASETS

from .formats.mdetr import images_with_annotations, parse_image
from .formats.text_file import read_json
from .record_dataset import RecordDataset


@DATASETS.register_module()
class MDETRGroundingDataset(RecordDataset):
    """An image with one caption and the boxes of its phrases a sample.

    For Flickr30k's "separateGT" and GQA's "mixed, no COCO" files; images linked to COCO are left
    out of training. MDETR's RefCOCO files are read with ``whole_caption=True`` and
    ``leakage=dict(type='refcoco', ...)``.

    The whole file is in memory while it is read: a file of millions of annotations is better
    converted to ODVG once.

    Args:
        whole_caption: whether the phrase of every box is the whole caption, as in referring data.
        kwargs: of :class:`~expalign.datasets.record_dataset.RecordDataset`.
    """

    LEAKAGE = 'coco'

    def __init__(self, *args, whole_caption: bool = False, **kwargs) -> None:
        self.whole_caption = whole_caption
        super().__init__(*args, **kwargs)

    def parse_records(self) -> Iterator[dict]:
        """The records of the file's image entries."""
        content = read_json(self.ann_file, self.backend_args, 'annotation file')
        for image, annotations in images_with_annotations(content, self.problems):
            if not self.leaks(image):
                record = parse_image(image, annotations, self.problems, self.whole_caption)
                if record is not None:
                    yield record
