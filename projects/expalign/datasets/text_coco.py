"""Data sets in COCO format whose labels are built from names and whose samples carry prompts."""

import json

import numpy as np
from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmdet.datasets import Objects365V1Dataset as MMDetObjects365V1Dataset
from mmengine.fileio import load

from expalign.registry import DATASETS

from .annotation_file import check_annotation_file, check_coco_format
from .api_wrappers import NamedCategoryCOCO
from .class_names import clean_class_names, names_of_categories
from .formats.class_text import read_class_text
from .formats.coco import checked_image, usable_annotations
from .sample_seed import SeededSamples
from .source_records import SourceRecords


@DATASETS.register_module()
class TextCocoDataset(SeededSamples, SourceRecords, MMDetCocoDataset):
    """Any data set in COCO format, with its class names as prompts.

    Label i means ``metainfo['classes'][i]``, whatever the order of the file's categories. Without
    ``metainfo=dict(classes=...)`` the classes are the file's own, in the file's order; the file is
    then read twice.

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
    COCOAPI = NamedCategoryCOCO

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

    def read_records(self) -> list[dict]:
        """Read the annotation file into one record an image."""
        check_annotation_file(
            self.ann_file, "'ann_file' and 'data_root' of the dataset", self.backend_args)
        try:
            if self._metainfo.get('classes') is None:
                content = load(self.ann_file, backend_args=self.backend_args)
                check_coco_format(content, self.ann_file)
                names = names_of_categories(content['categories'])
                self._metainfo['classes'] = clean_class_names(names)
            records = MMDetCocoDataset.load_data_list(self)
        except json.JSONDecodeError as error:
            raise ValueError(f"annotation file '{self.ann_file}' is not JSON: {error}") from error
        except UnicodeDecodeError as error:
            raise ValueError(
                f"annotation file '{self.ann_file}' is not UTF-8: {error}") from error
        self._text = list(self._metainfo['classes'])
        if self.class_text_path:
            self._text = read_class_text(self.class_text_path, self._metainfo['classes'])
        return [record for record in records if record is not None]

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """The record of one image; None if it leaks."""
        image = raw_data_info['raw_img_info']
        image = checked_image(image, image['img_id'], self.ann_file)
        if self.leaks(image):
            return None
        annotations = raw_data_info['raw_ann_info']
        usable = usable_annotations(image, annotations, self.coco.cats, self.problems)
        data_info = super().parse_data_info(dict(raw_img_info=image, raw_ann_info=usable))
        if len(usable) < len(annotations):
            data_info['uncertain_labels'] = [
                self.cat2label[annotation['category_id']] for annotation in annotations
                if annotation.get('category_id') in self.cat2label]
        return data_info

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
