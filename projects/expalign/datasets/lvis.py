"""LVIS v1."""

import numpy as np
from mmdet.datasets import LVISV1Dataset as MMDetLVISV1Dataset

from expalign.registry import DATASETS

from .api_wrappers import LVISCOCO
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
    COCOAPI = LVISCOCO
    SOURCE = 'lvis'

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """The record of one image, with the labels of the classes known to be absent."""
        data_info = super().parse_data_info(raw_data_info)
        if data_info is not None:
            data_info['absent_labels'] = [
                self.cat2label[i] for i in raw_data_info['raw_img_info'].get('neg_category_ids', ())
                if i in self.cat2label]
        return data_info

    def get_data_info(self, idx: int) -> dict:
        """Return record ``idx`` with its prompts and, in training, its true negatives."""
        data_info = super().get_data_info(idx)
        absent = data_info.pop('absent_labels')
        if not self.test_mode:
            data_info['true_negatives'] = np.zeros(len(data_info['text']), dtype=bool)
            data_info['true_negatives'][absent] = True
        return data_info
