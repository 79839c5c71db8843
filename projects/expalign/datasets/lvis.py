"""LVIS v1."""

import numpy as np
from mmdet.datasets import LVISV1Dataset as MMDetLVISV1Dataset

from expalign.registry import DATASETS
from expalign.utils.shown import shown

from .formats.fields import identifier
from .formats.lvis_names import clean_lvis_names
from .text_coco import TextCocoDataset


@DATASETS.register_module()
class LVISV1Dataset(TextCocoDataset):
    """LVIS v1 (train, val, minival) with its 1,203 names as plain words.

    Names are cleaned as :func:`~expalign.datasets.formats.lvis_names.clean_lvis_names` says.
    Images are COCO's; files are found by the end of ``coco_url`` (``train2017/...jpg``), so
    ``data_prefix=dict(img=...)`` is the folder that holds ``train2017`` and ``val2017``.

    LVIS is annotated in part: only the classes of ``neg_category_ids`` are known to be absent from
    an image. In training they are its ``true_negatives`` (V,) bool; a class that is neither there
    nor has a box is neither positive nor negative.
    """

    METAINFO = dict(
        classes=tuple(clean_lvis_names(MMDetLVISV1Dataset.METAINFO['classes'])), palette='random')
    SOURCE = 'lvis'

    def read_content(self) -> tuple[dict, dict[int | str, dict]]:
        """The content of the annotation file with cleaned names, and its categories by id."""
        content, categories = super().read_content()
        names = clean_lvis_names([category['name'] for category in categories.values()])
        for image in content['images']:
            address = image.get('coco_url', image.get('file_name'))
            if isinstance(address, str):
                image['file_name'] = '/'.join(address.split('/')[-2:])
        return content, {
            key: dict(category, name=name)
            for (key, category), name in zip(categories.items(), names, strict=True)}

    def parse_record(self, image: dict, annotations: list[dict],
                     categories: dict[int | str, str]) -> dict | None:
        """The record of one image, with the labels of the classes known to be absent."""
        record = super().parse_record(image, annotations, categories)
        if record is None:
            return None
        absent = image.get('neg_category_ids') or []
        if not isinstance(absent, list):
            self.problems.refuse("'neg_category_ids' must be a list", f'image {image["id"]!r}',
                                 f', got {shown(absent)}')
            absent = []
        present = {entry['bbox_label'] for entry in record['instances']}
        labels = [self.cat2label.get(identifier(key)) for key in absent]
        record['absent_labels'] = [
            label for label in labels if label is not None and label not in present]
        return record

    def get_data_info(self, idx: int) -> dict:
        """Return record ``idx`` with its prompts and, in training, its true negatives."""
        data_info = super().get_data_info(idx)
        absent = data_info.pop('absent_labels')
        if not self.test_mode:
            data_info['true_negatives'] = np.zeros(len(data_info['text']), dtype=bool)
            data_info['true_negatives'][absent] = True
        return data_info
