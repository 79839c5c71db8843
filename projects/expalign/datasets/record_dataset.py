"""The base of data sets whose annotation format is not COCO's."""

from collections.abc import Iterator

from mmdet.datasets import BaseDetDataset

from .annotation_file import check_annotation_file
from .sample_seed import SeededSamples
from .source_records import SourceRecords


class RecordDataset(SeededSamples, SourceRecords, BaseDetDataset):
    """A data set whose subclass parses records (:mod:`expalign.datasets.formats.record`).

    ``data_prefix=dict(img=...)`` is the folder of images. Arguments are those of
    :class:`~expalign.datasets.source_records.SourceRecords` and mmdet's ``BaseDetDataset``.

    Raises:
        FileNotFoundError: the annotation file does not exist.
        ValueError: it is not in its format; the message has the file and the place in it.
    """

    METAINFO = dict(palette='random')

    def parse_records(self) -> Iterator[dict]:
        """The records of the annotation file; a subclass has it."""
        raise NotImplementedError

    def vocabulary(self) -> list[str | list[str]]:
        """What the labels of detection records index; a subclass that has such records has it."""
        raise NotImplementedError

    def read_records(self) -> Iterator[dict]:
        """Read the annotation file into one record an image."""
        check_annotation_file(
            self.ann_file, "'ann_file' and 'data_root' of the dataset", self.backend_args)
        for record in self.parse_records():
            path = self.path_below_folder(record.pop('file_name'))
            if path is not None:
                yield record | dict(img_path=path)

    def get_data_info(self, idx: int) -> dict:
        """Return record ``idx`` with its source and, for a detection record, its prompts.

        In testing every prompt is one string, the first of synonyms.
        """
        data_info = super().get_data_info(idx)
        data_info['source'] = self.source
        if data_info['text_kind'] == 'detection':
            data_info['text'] = self.vocabulary()
        if self.test_mode:
            data_info['text'] = [
                prompt if isinstance(prompt, str) else prompt[0] for prompt in data_info['text']]
        return data_info
