"""Data sets in COCO format whose labels are built from names and whose samples carry prompts."""

from collections.abc import Iterator, Sequence

import numpy as np
from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmdet.datasets import Objects365V1Dataset as MMDetObjects365V1Dataset

from expalign.registry import DATASETS

from .annotation_file import check_annotation_file
from .class_names import (
    category_ids_of_classes,
    clean_class_names,
    group_categories,
    names_of_categories,
)
from .formats.class_text import read_class_text
from .formats.coco import parse_image
from .formats.coco_layout import (
    annotations_by_image,
    check_layout,
    named_categories,
    sortable_by_id,
)
from .formats.fields import identifier
from .formats.text_file import read_json
from .sample_seed import SeededSamples
from .source_records import SourceRecords


@DATASETS.register_module()
class TextCocoDataset(SeededSamples, SourceRecords, MMDetCocoDataset):
    """Any data set in COCO format, with its class names as prompts.

    Label i means ``metainfo['classes'][i]``, whatever the order of the file's categories. Without
    ``metainfo=dict(classes=...)`` the classes are the file's own, in the file's order, without
    categories that only hold others together.

    A record has, besides mmdet's keys, ``text``: the list of the class names (or of lists of
    synonyms), which the labels index, ``source`` and ``text_kind='detection'``.

    Args:
        class_text_path: JSON with the prompts of each class, a name and its synonyms, see
            :func:`~expalign.datasets.formats.class_text.read_class_text`. In testing the first
            name is used.
        kwargs: of :class:`~expalign.datasets.source_records.SourceRecords` and of mmdet's class.

    Raises:
        FileNotFoundError: the annotation file does not exist.
        ValueError: it is not in COCO format, or lacks a class (the message has close names).
        TypeError: ``classes`` is not a list of names.
    """

    METAINFO = dict(palette='random')

    def __init__(self, *args, class_text_path: str | None = None, **kwargs) -> None:
        self.class_text_path = class_text_path
        super().__init__(*args, **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Merge ``metainfo`` into the class's own; names lose surrounding white space."""
        merged = super()._load_metainfo(metainfo)
        if merged.get('classes') is not None:
            merged['classes'] = clean_class_names(merged['classes'])
        return merged

    def read_records(self) -> Iterator[dict]:
        """Read the annotation file into one record an image."""
        content, categories = self.read_content()
        images = sortable_by_id(content['images'], 'image', self.problems)
        grouped = annotations_by_image(content, images, self.problems)
        used = {identifier(a.get('category_id')) for a in content['annotations']}
        self._find_classes(list(categories.values()), used)
        names = {key: category['name'] for key, category in categories.items()}
        for key, image in images.items():
            record = self.parse_record(image, grouped.get(key, []), names)
            if record is not None:
                yield record

    def read_content(self) -> tuple[dict, dict[int | str, dict]]:
        """The content of the annotation file, and its categories by id."""
        check_annotation_file(
            self.ann_file, "'ann_file' and 'data_root' of the dataset", self.backend_args)
        content = read_json(self.ann_file, self.backend_args, 'annotation file')
        check_layout(content, self.ann_file)
        return content, named_categories(content, self.problems)

    def category_ids(self, categories: list[dict], used: set[int | str | None]) -> list[int | str]:
        """The id of the category of each class, in the order of the classes."""
        return category_ids_of_classes(
            self._metainfo['classes'], categories, self.ann_file, used)

    def drop_classes(self, names: Sequence[str]) -> None:
        """Go on without some of the classes; for a check of the rest."""
        dropped = set(names)
        self._metainfo['classes'] = tuple(
            name for name in self._metainfo['classes'] if name not in dropped)

    def _find_classes(self, categories: list[dict], used: set[int | str | None]) -> None:
        """Set the classes, where they are the file's own, their labels and their prompts."""
        if self._metainfo.get('classes') is None:
            groups = set(group_categories(categories, used))
            for category in categories:
                if category['id'] in groups:
                    self.problems.repaired(
                        "category without an annotation that is only the 'supercategory' of "
                        'others, as in exports of Roboflow: no class', repr(category['name']))
            try:
                self._metainfo['classes'] = clean_class_names(
                    names_of_categories(categories, used))
            except ValueError as error:
                raise ValueError(f"annotation file '{self.ann_file}', its categories: {error}"
                                 ) from error
        self.cat_ids = self.category_ids(categories, used)
        self.cat2label = {cat_id: label for label, cat_id in enumerate(self.cat_ids)}
        self._text = list(self._metainfo['classes'])
        if self.class_text_path:
            self._text = read_class_text(self.class_text_path, self._metainfo['classes'])

    def parse_record(self, image: dict, annotations: list[dict],
                     categories: dict[int | str, str]) -> dict | None:
        """The record of one image; None if it leaks, or is refused.

        Args:
            image: the entry of ``images``.
            annotations: its entries of ``annotations``.
            categories: names of the file's categories, by id.
        """
        if self.leaks(image):
            return None
        record = parse_image(image, annotations, self.cat2label, categories, self.problems)
        path = None if record is None else self.path_below_folder(record.pop('file_name'))
        if path is None:
            return None
        labels = [self.cat2label.get(identifier(a.get('category_id'))) for a in annotations]
        known = [label for label in labels if label is not None]
        if len(record['instances']) < len(known):
            record['uncertain_labels'] = known
        return record | dict(img_path=path)

    def get_data_info(self, idx: int) -> dict:
        """Return record ``idx`` with its prompts.

        They are added here because stored records would hold a copy of all names for each image.
        """
        data_info = super().get_data_info(idx)
        data_info.update(source=self.source, text_kind='detection', text=[
            prompt if isinstance(prompt, str) else prompt[0] if self.test_mode else list(prompt)
            for prompt in self._text])
        uncertain = data_info.pop('uncertain_labels', None)
        if uncertain and not self.test_mode:
            # A class is not absent because its annotation could not be used.
            data_info['true_negatives'] = np.ones(len(self._text), dtype=bool)
            data_info['true_negatives'][uncertain] = False
        return data_info


@DATASETS.register_module()
class CocoDataset(TextCocoDataset):
    """COCO with its 80 classes."""

    METAINFO = MMDetCocoDataset.METAINFO
    SOURCE = 'coco'


@DATASETS.register_module()
class Objects365V1Dataset(TextCocoDataset):
    """Objects365 v1 with its 365 classes.

    Its files order the categories differently and end one name with a space, neither of which
    matters here: categories are found by name, white space aside. Images that are COCO's by name
    or URL are left out of training.
    """

    METAINFO = MMDetObjects365V1Dataset.METAINFO
    SOURCE = 'objects365'
    LEAKAGE = 'coco'
