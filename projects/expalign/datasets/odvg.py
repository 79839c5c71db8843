"""Data sets in mmdet's ODVG format."""

from collections.abc import Iterator

from mmengine.fileio import join_path
from mmengine.utils import is_abs

from expalign.registry import DATASETS

from .annotation_file import check_annotation_file
from .class_names import clean_class_names
from .formats.class_text import read_class_text
from .formats.odvg import parse_label_map, parse_line
from .formats.text_file import read_json, read_json_lines
from .record_dataset import RecordDataset


@DATASETS.register_module()
class ODVGDataset(RecordDataset):
    """JSON lines for detection and grounding, in one file or two, with optional masks.

    Where mmdet's ``ODVGDataset`` takes a whole file for one kind, gives a caption or a dict as
    ``text`` and drops masks, this one goes line by line and keeps to the contract of
    ``docs/training_data.md``. The format is in :mod:`expalign.datasets.formats.odvg`.

    Args:
        label_map_file: JSON ``{"0": name, ...}`` with the names of detection labels, relative to
            ``data_root``; not needed for a file of grounding lines.
        class_text_path: the prompts of the label map's names, see
            :func:`~expalign.datasets.formats.class_text.read_class_text`.
        kwargs: of :class:`~expalign.datasets.record_dataset.RecordDataset`.
    """

    def __init__(self, *args, data_root: str = '', label_map_file: str | None = None,
                 class_text_path: str | None = None, **kwargs) -> None:
        if label_map_file and data_root and not is_abs(label_map_file):
            label_map_file = join_path(data_root, label_map_file)
        self.label_map_file = label_map_file
        self.class_text_path = class_text_path
        self._text: list[str | list[str]] = []
        super().__init__(*args, data_root=data_root, **kwargs)

    def parse_records(self) -> Iterator[dict]:
        """The records of the file, line by line."""
        names = None
        if self.label_map_file:
            check_annotation_file(
                self.label_map_file, "'label_map_file' of the dataset", self.backend_args)
            names = parse_label_map(
                read_json(self.label_map_file, self.backend_args), self.label_map_file)
            try:
                self._metainfo['classes'] = clean_class_names(names)
            except ValueError as error:
                raise ValueError(f"label map '{self.label_map_file}': {error}") from error
            self._text = names
            if self.class_text_path:
                self._text = read_class_text(self.class_text_path, names)
        for number, line in read_json_lines(self.ann_file, self.backend_args):
            record = parse_line(line, number, names, self.problems)
            if record is not None and not self.leaks(line | dict(file_name=line['filename'])):
                yield record

    def vocabulary(self) -> list[str | list[str]]:
        """The prompts of the label map."""
        return [prompt if isinstance(prompt, str) else list(prompt) for prompt in self._text]
