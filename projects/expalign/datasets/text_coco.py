"""Data sets in COCO format whose labels are built from names and whose samples carry prompts."""

import json

from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmdet.datasets import Objects365V1Dataset as MMDetObjects365V1Dataset
from mmengine.fileio import load

from expalign.registry import DATASETS

from .annotation_file import check_annotation_file, check_coco_format
from .api_wrappers import NamedCategoryCOCO
from .class_names import clean_class_names, names_of_categories


@DATASETS.register_module()
class TextCocoDataset(MMDetCocoDataset):
    """Any data set in COCO format, with its class names as prompts.

    Label i means ``metainfo['classes'][i]``, whatever the order of the file's categories. Without
    ``metainfo=dict(classes=...)`` the classes are the file's own, in the file's order; the file is
    then read twice.

    A sample has, besides mmdet's keys, ``text``: the list of the class names, which the labels
    index. Training samples also have ``dataset``, from which mosaic draws further images.

    Raises:
        FileNotFoundError: the annotation file does not exist.
        ValueError: it is not in COCO format, or lacks a class (the message has close names).
        TypeError: ``classes`` is not a list of names.
    """

    METAINFO = dict(palette='random')
    COCOAPI = NamedCategoryCOCO

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """Merge ``metainfo`` into the class's own; names lose surrounding white space."""
        merged = super()._load_metainfo(metainfo)
        if merged.get('classes') is not None:
            merged['classes'] = clean_class_names(merged['classes'])
        return merged

    def load_data_list(self) -> list[dict]:
        """Read the annotation file into one record an image."""
        check_annotation_file(
            self.ann_file, "'ann_file' and 'data_root' of the dataset", self.backend_args)
        try:
            if self._metainfo.get('classes') is None:
                content = load(self.ann_file, backend_args=self.backend_args)
                check_coco_format(content, self.ann_file)
                names = names_of_categories(content['categories'])
                self._metainfo['classes'] = clean_class_names(names)
            return super().load_data_list()
        except json.JSONDecodeError as error:
            raise ValueError(f"annotation file '{self.ann_file}' is not JSON: {error}") from error

    def get_data_info(self, idx: int) -> dict:
        """Return record ``idx`` with its prompts.

        They are added here because stored records would hold a copy of all names for each image.
        """
        data_info = super().get_data_info(idx)
        data_info['text'] = list(self._metainfo['classes'])
        return data_info

    def prepare_data(self, idx: int) -> dict | None:
        """Run record ``idx`` through the pipeline."""
        data_info = self.get_data_info(idx)
        if not self.test_mode:
            data_info['dataset'] = self
        return self.pipeline(data_info)


@DATASETS.register_module()
class CocoDataset(TextCocoDataset):
    """COCO with its 80 classes."""

    METAINFO = MMDetCocoDataset.METAINFO


@DATASETS.register_module()
class Objects365V1Dataset(TextCocoDataset):
    """Objects365 v1 with its 365 classes.

    Its files order the categories differently and end one name with a space, neither of which
    matters here: categories are found by name, white space aside.
    """

    METAINFO = MMDetObjects365V1Dataset.METAINFO
