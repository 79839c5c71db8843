"""RefCOCO, RefCOCO+ and RefCOCOg in their official form."""

from collections.abc import Iterator, Sequence

from mmengine.fileio import join_path
from mmengine.utils import is_abs

from expalign.registry import DATASETS

from .annotation_file import check_annotation_file
from .formats.coco_layout import by_id, check_layout
from .formats.refs import read_refs, records_by_expression, records_by_image, refs_of_splits
from .formats.text_file import read_json
from .record_dataset import RecordDataset


@DATASETS.register_module()
class RefsDataset(RecordDataset):
    """Referring expressions, with the boxes and masks of ``instances.json``.

    In training a sample is an image with all objects that are referred to; the expressions of an
    object are synonyms of one prompt. In testing a sample is one expression and its box.

    Args:
        ann_file: ``instances.json``.
        refs_file: ``refs(unc).p`` or one of its kind, relative to ``data_root``; read without
            running anything in it.
        split: the split, or a list of splits.
        kwargs: of :class:`~expalign.datasets.record_dataset.RecordDataset`. For training set
            ``leakage=dict(type='refcoco', ...)``.
    """

    def __init__(self, *args, refs_file: str, split: str | Sequence[str] = 'train',
                 data_root: str = '', **kwargs) -> None:
        if data_root and not is_abs(refs_file):
            refs_file = join_path(data_root, refs_file)
        self.refs_file = refs_file
        self.splits = [split] if isinstance(split, str) else list(split)
        super().__init__(*args, data_root=data_root, **kwargs)

    def parse_records(self) -> Iterator[dict]:
        """The records of the splits."""
        check_annotation_file(self.refs_file, "'refs_file' and 'data_root' of the dataset")
        content = read_json(self.ann_file, self.backend_args, 'annotation file')
        check_layout(content, self.ann_file)
        images = by_id(content['images'], 'image', self.problems)
        annotations = by_id(content['annotations'], 'annotation', self.problems)
        refs = refs_of_splits(read_refs(self.refs_file), self.splits, self.refs_file)
        records = records_by_expression if self.test_mode else records_by_image
        for record in records(refs, images, annotations, self.problems):
            if not self.leaks(images[record['img_id']]):
                yield record
